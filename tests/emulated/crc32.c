/* Holds every CRC-32 path of this machine to the bitwise definition.
 *
 * For processors that are not at hand: `make emulate` builds it with the distribution's
 * cross compilers and runs it in qemu. Prints the paths that were tested. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"

enum { LONGEST = 4096, ALIGNMENTS = 64, SPLITS = 2000 };

static uint32_t bitwise(uint32_t crc, const uint8_t *data, size_t length) {
    crc = ~crc;
    while (length--) {
        crc ^= *data++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static void fail(const char *path, const char *what, size_t length) {
    printf("%s: wrong over %zu bytes, %s\n", path, length, what);
    exit(1);
}

int main(void) {
    static uint8_t data[LONGEST + ALIGNMENTS], copy[LONGEST + ALIGNMENTS];
    static uint32_t expected[LONGEST + 1];
    uint32_t state = 20261122;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
    crc32_choose();
    for (size_t p = 0; p < crc32_path_count; p++) {
        const char *name = crc32_paths[p].name;
        crc32_function function = crc32_paths[p].function;
        for (size_t align = 0; align < ALIGNMENTS; align++) {
            expected[0] = 0;
            for (size_t n = 0; n < LONGEST; n++)
                expected[n + 1] = bitwise(expected[n], data + align + n, 1);
            /* Every length at the first alignments, a prime's steps at the others. */
            for (size_t n = 0; n <= LONGEST; n += align < 2 ? 1 : 37) {
                if (function(0, data + align, n, NULL) != expected[n])
                    fail(name, "at some alignment", n);
                memset(copy, 0, sizeof copy);
                if (function(0, data + align, n, copy + align) != expected[n] ||
                    memcmp(copy + align, data + align, n))
                    fail(name, "copying", n);
            }
        }
        for (int round = 0; round < SPLITS; round++) {
            size_t end = (state = state * 1664525u + 1013904223u) % (LONGEST + 1);
            size_t cut = end ? (state >> 8) % (end + 1) : 0;
            uint32_t crc = function(0, data, cut, NULL);
            if (function(crc, data + cut, end - cut, NULL) != bitwise(0, data, end))
                fail(name, "in two pieces", end);
        }
        printf("%s: right\n", name);
    }
    return 0;
}
