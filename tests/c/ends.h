/* Who writes, who reads and who works, each with a handle of its own. */
#include <stdio.h>
#include <unistd.h>
#include <zinc.h>

static inline void fail(void) {
    printf("%s\n", zinc_error_message());
    fflush(stdout);
    _exit(1);
}

typedef struct {
    ZincHandle region;
    ZincWriter it;
} Writer;

typedef struct {
    ZincHandle region;
    ZincReader it;
} Reader;

typedef struct {
    ZincHandle region;
    ZincWorker it;
} Worker;

static int32_t begin(int32_t status, Writer *writer) {
    writer->it = NULL;
    if (status == 0 && (status = zinc_writer_begin(writer->region, &writer->it)) != 0)
        zinc_close(writer->region);
    return status;
}

static inline int32_t create_channel(const char *name, const ZincChannelOptions *options, Writer *writer) {
    return begin(zinc_channel_create(name, options, NULL, &writer->region), writer);
}

static inline int32_t open_writer(const char *name, Writer *writer) {
    return begin(zinc_open(name, &writer->region), writer);
}

static inline int32_t open_reader(const char *name, uint64_t history, Reader *reader) {
    int32_t status = zinc_open(name, &reader->region);
    reader->it = NULL;
    if (status == 0 && (status = zinc_reader_begin(reader->region, history, &reader->it)) != 0)
        zinc_close(reader->region);
    return status;
}

static inline void close_writer(Writer writer) {
    zinc_writer_end(writer.it);
    zinc_close(writer.region);
}

static inline void close_reader(Reader reader) {
    zinc_reader_end(reader.it);
    zinc_close(reader.region);
}

static inline int32_t open_worker(const char *name, Worker *worker) {
    int32_t status = zinc_open(name, &worker->region);
    worker->it = NULL;
    if (status == 0 && (status = zinc_worker_begin(worker->region, &worker->it)) != 0)
        zinc_close(worker->region);
    return status;
}

static inline void close_worker(Worker worker) {
    zinc_worker_end(worker.it);
    zinc_close(worker.region);
}
