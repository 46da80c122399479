/* aws-c-event-stream on the same bytes: `aws_c CORPUS` prints what worker.py prints.
 *
 * Whole messages are copied, checked and their headers listed; chunks go through the
 * streaming decoder, whose callbacks only count. */
#include <aws/common/array_list.h>
#include <aws/event-stream/event_stream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCHES = 8 };
#define BATCH_NANOSECONDS 4000000.0

/* The library's start-up wants the I/O library's; nothing measured here does. */
void aws_io_library_init(struct aws_allocator *allocator) { (void)allocator; }
void aws_io_library_clean_up(void) {}

typedef struct {
    uint8_t *data;
    size_t length;
} input;

static struct aws_allocator *allocator;
static struct aws_event_stream_streaming_decoder decoder;
static size_t counted;
static size_t piece_length;

static void fail(const char *what) {
    fprintf(stderr, "aws_c: %s\n", what);
    exit(1);
}

static void decode(const input *event) {
    struct aws_event_stream_message message;
    struct aws_byte_buf buffer = aws_byte_buf_from_array(event->data, event->length);
    struct aws_array_list headers;
    if (aws_event_stream_message_from_buffer_copy(&message, allocator, &buffer))
        fail("refused a message");
    aws_event_stream_headers_list_init(&headers, allocator);
    aws_event_stream_message_headers(&message, &headers);
    counted += aws_array_list_length(&headers) + aws_event_stream_message_payload_len(&message);
    aws_event_stream_headers_list_cleanup(&headers);
    aws_event_stream_message_clean_up(&message);
}

static void pump(const input *stream) {
    for (size_t at = 0; at < stream->length; at += piece_length) {
        size_t rest = stream->length - at;
        struct aws_byte_buf part = aws_byte_buf_from_array(
            stream->data + at, rest < piece_length ? rest : piece_length);
        if (aws_event_stream_streaming_decoder_pump(&decoder, &part))
            fail("refused a chunk");
    }
}

static void add_header(struct aws_array_list *headers, const char *name, const char *value) {
    aws_event_stream_add_string_header(headers, name, (uint8_t)strlen(name), value,
                                       (uint16_t)strlen(value), 0);
}

static void encode(const input *audio) {
    struct aws_event_stream_message message;
    struct aws_byte_buf payload = aws_byte_buf_from_array(audio->data, audio->length);
    struct aws_array_list headers;
    aws_event_stream_headers_list_init(&headers, allocator);
    add_header(&headers, ":message-type", "event");
    add_header(&headers, ":event-type", "AudioEvent");
    add_header(&headers, ":content-type", "application/octet-stream");
    if (aws_event_stream_message_init(&message, allocator, &headers, &payload))
        fail("refused to write");
    counted += aws_event_stream_message_total_length(&message);
    aws_event_stream_headers_list_cleanup(&headers);
    aws_event_stream_message_clean_up(&message);
}

static void on_payload(struct aws_event_stream_streaming_decoder *d, struct aws_byte_buf *payload,
                       int8_t final, void *user) {
    (void)d, (void)final, (void)user;
    counted += payload->len;
}

static void on_prelude(struct aws_event_stream_streaming_decoder *d,
                       struct aws_event_stream_message_prelude *prelude, void *user) {
    (void)d, (void)user;
    counted += prelude->headers_len;
}

static void on_header(struct aws_event_stream_streaming_decoder *d,
                      struct aws_event_stream_message_prelude *prelude,
                      struct aws_event_stream_header_value_pair *header, void *user) {
    (void)d, (void)prelude, (void)user;
    counted += header->header_name_len;
}

static void on_error(struct aws_event_stream_streaming_decoder *d,
                     struct aws_event_stream_message_prelude *prelude, int code,
                     const char *message, void *user) {
    (void)d, (void)prelude, (void)code, (void)user;
    fail(message);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void measure(const char *name, void (*work)(const input *), const input *on, double events) {
    static const char *comma = "";
    size_t count = 1;
    for (;;) {
        double start = now();
        for (size_t i = 0; i < count; i++)
            work(on);
        double spent = now() - start;
        if (spent > BATCH_NANOSECONDS)
            break;
        count = 1 + (size_t)((double)count * 1.2 * BATCH_NANOSECONDS / (spent + 1000));
    }
    printf("%s\"%s\": [", comma, name);
    comma = ", ";
    for (int batch = 0; batch < BATCHES; batch++) {
        double start = now();
        for (size_t i = 0; i < count; i++)
            work(on);
        printf("%s%.1f", batch ? ", " : "", (now() - start) / (double)count / events);
    }
    printf("]");
}

static input read_input(const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.bin", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail(path);
    input found = {malloc(1 << 16), 0};
    found.length = fread(found.data, 1, 1 << 16, file);
    fclose(file);
    return found;
}

int main(int count, char **arguments) {
    if (count < 2)
        fail("which corpus?");
    allocator = aws_default_allocator();
    aws_event_stream_library_init(allocator);
    aws_event_stream_streaming_decoder_init(&decoder, allocator, on_payload, on_prelude, on_header,
                                            on_error, NULL);
    printf("{");
    /* The names of the rest are the cases: CORPUS event-702-B audio-3200-B ... */
    input small = {NULL, 0};
    for (int i = 2; i < count; i++) {
        input found = read_input(arguments[1], arguments[i]);
        char name[64];
        int is_event = strncmp(arguments[i], "event-", 6) == 0;
        snprintf(name, sizeof name, "%s %s", is_event ? "decode" : "encode", arguments[i] + 6);
        measure(name, is_event ? decode : encode, &found, 1);
        if (is_event && (!small.data || found.length < small.length))
            small = found;
    }
    piece_length = 7;
    measure("decode in 7-byte chunks", pump, &small, 1);
    size_t copies = (1 << 20) / small.length;
    input mebibyte = {malloc(copies * small.length), copies * small.length};
    for (size_t i = 0; i < copies; i++)
        memcpy(mebibyte.data + i * small.length, small.data, small.length);
    piece_length = mebibyte.length;
    measure("decode in 1 MiB chunks", pump, &mebibyte, (double)copies);
    printf("}\n");
    return counted == 0;
}
