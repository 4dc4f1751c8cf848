package zinc

// #include "zincgo.h"
//
// typedef struct {
//     ZincStoreEntry *entries;
//     size_t count, room;
// } zincgo_list;
//
// static void zincgo_tell(const ZincStoreEntry *entry, void *context) {
//     zincgo_list *list = context;
//     if (list->count == list->room) {
//         size_t room = list->room ? 2 * list->room : 16;
//         ZincStoreEntry *more = realloc(list->entries, room * sizeof *more);
//         if (!more) return;
//         list->entries = more;
//         list->room = room;
//     }
//     list->entries[list->count++] = *entry;
// }
//
// static int32_t zincgo_store_list(ZincHandle store, zincgo_list *list) {
//     return zinc_store_list(store, zincgo_tell, list);
// }
import "C"

import (
	"context"
	"errors"
	"syscall"
	"time"
	"unsafe"
)

// Full says what is done with an object that finds no room in a [Store].
type Full uint32

const (
	Evict Full = C.ZINC_STORE_EVICT // what nobody has used for longest, has open or has pinned makes way
	Await Full = C.ZINC_STORE_WAIT  // whoever makes it waits until others have removed some
	Fail  Full = C.ZINC_STORE_ERROR // it is an error, syscall.ENOSPC
)

// A Store keeps bytes by key, for all processes of a machine, without a server. A key is 0 to 176 bytes,
// whatever they are; the errors of all calls are syscall.EINVAL for a longer one, and syscall.EBUSY if somebody
// who was stopped holds the store up. It goes with its last user.
type Store struct {
	handle *handle
}

// CreateStore creates a store whose objects may take capacity bytes, their headers and whole pages among them.
// The name has at most 233 bytes. Errors as for [Options.Create].
func CreateStore(name string, capacity uint64, full Full) (*Store, error) {
	return storeOf(named(name, func(name *C.char) (*handle, error) {
		return attach(func(out *C.ZincHandle) C.int32_t {
			return C.zinc_store_create(name, C.uint64_t(capacity), C.uint32_t(full), nil, out)
		})
	}))
}

// OpenOrCreateStore opens the store of this name, or creates it. The error is fs.ErrExist if it is there with
// another capacity or another full, or is no store.
func OpenOrCreateStore(name string, capacity uint64, full Full) (*Store, error) {
	return storeOf(named(name, func(name *C.char) (*handle, error) {
		return attach(func(out *C.ZincHandle) C.int32_t {
			return C.zinc_store_open_or_create(name, C.uint64_t(capacity), C.uint32_t(full), nil, out)
		})
	}))
}

// OpenStore opens the store of this name. The error is fs.ErrNotExist if there is none, and syscall.EBADMSG if
// the name is that of something else.
func OpenStore(name string) (*Store, error) {
	return storeOf(named(name, func(name *C.char) (*handle, error) {
		return attach(func(out *C.ZincHandle) C.int32_t { return C.zinc_store_open(name, nil, out) })
	}))
}

func storeOf(h *handle, err error) (*Store, error) {
	if err != nil {
		return nil, err
	}
	return &Store{h}, nil
}

func (s *Store) own() *handle {
	if s == nil {
		return nil
	}
	return s.handle
}

// keyed calls the library with the store and a key.
func (s *Store) keyed(key string, call func(C.ZincHandle, unsafe.Pointer, C.uintptr_t) C.int32_t) error {
	bytes := unsafe.Pointer(unsafe.StringData(key))
	_, err := s.own().told(func(raw C.ZincHandle) C.int32_t { return call(raw, bytes, C.uintptr_t(len(key))) })
	return err
}

// Put puts bytes under a key, with one copy; what has the key makes way. Where the store is full and waits, it
// does so as long as the context lasts. The error is syscall.ENOSPC if there is no room, and syscall.EINVAL for
// no bytes.
func (s *Store) Put(ctx context.Context, key string, bytes []byte) error {
	return s.put(ctx, key, bytes, true)
}

// Insert puts bytes under a key that is not there. The error is fs.ErrExist if it is; else as for Put.
func (s *Store) Insert(ctx context.Context, key string, bytes []byte) error {
	return s.put(ctx, key, bytes, false)
}

func (s *Store) put(ctx context.Context, key string, bytes []byte, replace bool) error {
	building, err := s.begin(ctx, key, len(bytes), replace, &Options{Contents: bytes})
	if err != nil {
		return err
	}
	defer building.Abort()
	return building.Seal()
}

// Build makes an object of so many bytes, to be filled in place and sealed. With replace, what has the key
// makes way. Errors as for Put and Insert.
func (s *Store) Build(ctx context.Context, key string, size int, replace bool) (*Building, error) {
	return s.begin(ctx, key, size, replace, nil)
}

func (s *Store) begin(ctx context.Context, key string, size int, replace bool, o *Options) (*Building, error) {
	if size < 1 {
		return nil, &Error{syscall.EINVAL, "an object of a store has at least one byte"}
	}
	building := &Building{store: s}
	if replace {
		building.flags = C.ZINC_STORE_REPLACE
	}
	bytes := unsafe.Pointer(unsafe.StringData(key))
	object, err := o.with(func(options *C.ZincOptions) (object *handle, err error) {
		err = s.own().use(func(raw C.ZincHandle) error {
			for {
				if err := ctx.Err(); err != nil {
					return err
				}
				timeout := uint64(slice)
				if ctx.Done() == nil {
					timeout = C.ZINC_FOREVER
				}
				var out C.ZincHandle
				_, err := look(timeout, 0, func(wait *C.ZincWaitOptions) C.int32_t {
					return C.zinc_store_begin(raw, bytes, C.uintptr_t(len(key)), C.uintptr_t(size),
						building.flags, options, wait, &out)
				})
				if err == nil {
					object = &handle{raw: out}
					return nil
				}
				if !errors.Is(err, syscall.ENOSPC) || !s.waits(raw) {
					return err
				}
			}
		})
		return object, err
	})
	if err != nil {
		return nil, err
	}
	building.object, building.Data = object, data(object.raw)
	return building, nil
}

func (s *Store) waits(raw C.ZincHandle) bool {
	info := C.ZincStoreInfo{size: C.sizeof_ZincStoreInfo}
	return C.zinc_store_examine(raw, &info) == 0 && info.full == C.ZINC_STORE_WAIT
}

// Get returns the object of a key, to be read where it lies, and waits for it to be there as long as the context
// lasts.
func (s *Store) Get(ctx context.Context, key string) (*Object, error) {
	for {
		timeout := uint64(slice)
		if ctx.Done() == nil {
			timeout = C.ZINC_FOREVER
		}
		object, err := s.get(key, timeout)
		if !errors.Is(err, syscall.ENOENT) {
			return object, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// TryGet returns the object of a key if it is there; else nil.
func (s *Store) TryGet(key string) (*Object, error) {
	object, err := s.get(key, 0)
	if errors.Is(err, syscall.ENOENT) {
		return nil, nil
	}
	return object, err
}

func (s *Store) get(key string, timeout uint64) (*Object, error) {
	var out C.ZincHandle
	err := s.keyed(key, func(raw C.ZincHandle, bytes unsafe.Pointer, length C.uintptr_t) C.int32_t {
		wait := C.zincgo_wait(C.uint64_t(timeout), 0)
		return C.zinc_store_get(raw, bytes, length, &wait, &out)
	})
	return objectOf(out, err)
}

// Take returns the object of a key, and takes the key from it: of several that do so at once one has it. The
// others, and all if it is not there, get nil.
func (s *Store) Take(key string) (*Object, error) {
	var out C.ZincHandle
	err := s.keyed(key, func(raw C.ZincHandle, bytes unsafe.Pointer, length C.uintptr_t) C.int32_t {
		return C.zinc_store_take(raw, bytes, length, &out)
	})
	if errors.Is(err, syscall.ENOENT) {
		return nil, nil
	}
	return objectOf(out, err)
}

// Delete takes the key from its object, which goes with its last reader, and reports whether it was there.
func (s *Store) Delete(key string) (bool, error) {
	return found(s.keyed(key, func(raw C.ZincHandle, bytes unsafe.Pointer, length C.uintptr_t) C.int32_t {
		return C.zinc_store_remove(raw, bytes, length)
	}))
}

// Pin keeps the object of a key, and those that replace it, from being evicted, or does so no more, and reports
// whether it was there.
func (s *Store) Pin(key string, pinned bool) (bool, error) {
	var is C.uint32_t
	if pinned {
		is = 1
	}
	return found(s.keyed(key, func(raw C.ZincHandle, bytes unsafe.Pointer, length C.uintptr_t) C.int32_t {
		return C.zinc_store_pin(raw, bytes, length, is)
	}))
}

func found(err error) (bool, error) {
	if errors.Is(err, syscall.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

// A StoreEntry is what can be told of an object, without using it.
type StoreEntry struct {
	Key      string
	Size     uint64    // bytes of data
	Memory   uint64    // bytes that it takes of the store's capacity
	Created  time.Time // when it was put
	Kind     uint32    // what the data is: 0 is raw
	IsPinned bool
}

func entryOf(entry *C.ZincStoreEntry) StoreEntry {
	return StoreEntry{
		C.GoStringN((*C.char)(unsafe.Pointer(&entry.key[0])), C.int(entry.key_length)), uint64(entry.capacity),
		uint64(entry.memory), since1970(entry.created_at), uint32(entry.kind), entry.pinned != 0,
	}
}

// Find tells of the object of a key; nil if there is none. That is no use of it.
func (s *Store) Find(key string) (*StoreEntry, error) {
	entry := C.ZincStoreEntry{size: C.sizeof_ZincStoreEntry}
	is, err := found(s.keyed(key, func(raw C.ZincHandle, bytes unsafe.Pointer, length C.uintptr_t) C.int32_t {
		return C.zinc_store_find(raw, bytes, length, &entry)
	}))
	if !is {
		return nil, err
	}
	told := entryOf(&entry)
	return &told, nil
}

// List tells of all objects, what was used longest ago first; they are of one moment.
func (s *Store) List() ([]StoreEntry, error) {
	var list C.zincgo_list
	_, err := s.own().told(func(raw C.ZincHandle) C.int32_t { return C.zincgo_store_list(raw, &list) })
	defer C.free(unsafe.Pointer(list.entries))
	var entries []StoreEntry
	for i := range unsafe.Slice(list.entries, int(list.count)) {
		entry := (*C.ZincStoreEntry)(unsafe.Add(unsafe.Pointer(list.entries), i*C.sizeof_ZincStoreEntry))
		if entry.state == C.ZINC_OBJECT_PRESENT {
			entries = append(entries, entryOf(entry))
		}
	}
	return entries, err
}

// StoreInfo is what can be told of a store.
type StoreInfo struct {
	Capacity, Used, Objects, Puts, Hits, Misses, Evictions, Removals uint64
}

// Info tells how full the store is, and what has happened.
func (s *Store) Info() (StoreInfo, error) {
	i := C.ZincStoreInfo{size: C.sizeof_ZincStoreInfo}
	_, err := s.own().told(func(raw C.ZincHandle) C.int32_t { return C.zinc_store_examine(raw, &i) })
	return StoreInfo{
		uint64(i.capacity), uint64(i.used), uint64(i.objects), uint64(i.puts), uint64(i.hits), uint64(i.misses),
		uint64(i.evictions), uint64(i.removals),
	}, err
}

// Name returns the name.
func (s *Store) Name() string { return s.own().name() }

// Close detaches. What is being built is gone; objects stay with who has them.
func (s *Store) Close() error {
	s.own().close()
	return nil
}

// An Object is one of a store, where it lies. It stays as it is until it is closed, and needs no store.
type Object struct {
	Data     []byte // to be read, until Close; a write is a fault
	Kind     uint32 // what the data is: 0 is raw
	Metadata []byte // a copy of what its maker said of it
	handle   *handle
}

func objectOf(raw C.ZincHandle, err error) (*Object, error) {
	if err != nil {
		return nil, err
	}
	kind := uint32(C.zinc_region_kind(raw))
	return &Object{data(raw), kind, metadataOf(raw), &handle{raw: raw}}, nil
}

// Close gives the object back. Its Data is not to be touched any more.
func (o *Object) Close() error {
	if o != nil {
		o.Data = nil
		o.handle.close()
	}
	return nil
}

// A Building is an object that is being made. Others find it once it is sealed.
type Building struct {
	Data   []byte // to be filled, until Seal or Abort; nil then
	store  *Store
	object *handle
	flags  C.uint32_t
}

// Seal puts the object into the store. The error is fs.ErrExist if somebody else has put one meanwhile, and this
// was not to replace it: then it is to be aborted. It is io.ErrClosedPipe if that was, or it is sealed already.
func (b *Building) Seal() error {
	err := b.object.use(func(object C.ZincHandle) error {
		_, err := b.store.own().told(func(store C.ZincHandle) C.int32_t {
			return C.zinc_store_seal(store, object, b.flags)
		})
		return err
	})
	if err == nil {
		b.end()
	}
	return err
}

// Abort gives the object up, unless it is sealed.
func (b *Building) Abort() {
	_ = b.object.use(func(object C.ZincHandle) error {
		_, err := b.store.own().told(func(store C.ZincHandle) C.int32_t { return C.zinc_store_abort(store, object) })
		return err
	})
	b.end()
}

func (b *Building) end() {
	b.Data = nil
	b.object.close()
}
