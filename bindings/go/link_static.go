//go:build zinc_static

package zinc

// What `make bindings` has put here: programs need no library then.

// #cgo CFLAGS: -I${SRCDIR}/include
// #cgo linux,amd64 LDFLAGS: ${SRCDIR}/lib/linux_amd64/libzinc.a -lpthread
// #cgo linux,arm64 LDFLAGS: ${SRCDIR}/lib/linux_arm64/libzinc.a -lpthread
import "C"
