/* Holds the SHA-256 instructions of this machine, and what is built on them, to the
 * definition of FIPS 180-4 in plain C.
 *
 * For processors that are not at hand, as crc32.c. Prints what was tested. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sha256.h"

enum { LONGEST = 4096, ALIGNMENTS = 64, SPLITS = 2000 };

static uint32_t constants[64], initial[8];

/* The first 32 bits of the fractional part of a root: whole numbers and no rounding. */
static uint32_t fraction_of_root(unsigned prime, int power) {
    uint64_t low = 0, high = (uint64_t)1 << 40;
    while (high - low > 1) { /* the largest r with (r / 2^32)^power <= prime */
        uint64_t r = low + (high - low) / 2;
        unsigned __int128 square = (unsigned __int128)r * r;
        int fits = power == 2 ? square <= (unsigned __int128)prime << 64
                              : square * r <= (unsigned __int128)prime << 96;
        *(fits ? &low : &high) = r;
    }
    return (uint32_t)low;
}

static void fill_constants(void) {
    int count = 0;
    for (unsigned n = 2; count < 64; n++) {
        unsigned divisor = 2;
        while (n % divisor)
            divisor++;
        if (divisor < n)
            continue;
        if (count < 8)
            initial[count] = fraction_of_root(n, 2);
        constants[count++] = fraction_of_root(n, 3);
    }
}

static uint32_t turned(uint32_t x, int by) { return x >> by | x << (32 - by); }

static void plain_block(uint32_t state[8], const uint8_t *data) {
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)data[4 * i] << 24 | (uint32_t)data[4 * i + 1] << 16 |
               (uint32_t)data[4 * i + 2] << 8 | data[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + (turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ w[i - 15] >> 3) +
               w[i - 7] + (turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = s[7] + (turned(s[4], 6) ^ turned(s[4], 11) ^ turned(s[4], 25)) +
                      ((s[4] & s[5]) ^ (~s[4] & s[6])) + constants[i] + w[i];
        uint32_t t2 = (turned(s[0], 2) ^ turned(s[0], 13) ^ turned(s[0], 22)) +
                      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

static void plain(const uint8_t *data, size_t length, uint8_t digest[32]) {
    static uint8_t padded[2 * LONGEST];
    size_t end = (length + 8) / 64 * 64 + 64;
    uint32_t state[8];
    memcpy(state, initial, sizeof state);
    memset(padded, 0, end);
    memcpy(padded, data, length);
    padded[length] = 0x80;
    for (int i = 0; i < 8; i++)
        padded[end - 1 - i] = (uint8_t)((uint64_t)length * 8 >> 8 * i);
    for (size_t at = 0; at < end; at += 64)
        plain_block(state, padded + at);
    for (int i = 0; i < 32; i++)
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

static void plain_hmac(const uint8_t key[32], const uint8_t *data, size_t length,
                       uint8_t signature[32]) {
    static uint8_t text[64 + LONGEST];
    for (int i = 0; i < 64; i++)
        text[i] = (i < 32 ? key[i] : 0) ^ 0x36;
    memcpy(text + 64, data, length);
    uint8_t digest[32];
    plain(text, 64 + length, digest);
    for (int i = 0; i < 64; i++)
        text[i] ^= 0x36 ^ 0x5c;
    memcpy(text + 64, digest, 32);
    plain(text, 96, signature);
}

static void expect(const uint8_t *found, const uint8_t *wanted, const char *what, size_t length) {
    if (memcmp(found, wanted, 32) == 0)
        return;
    printf("sha256: wrong over %zu bytes, %s\n", length, what);
    exit(1);
}

int main(void) {
    static uint8_t data[LONGEST + ALIGNMENTS];
    static const uint8_t of_abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                       0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                       0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                       0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    uint8_t found[32], wanted[32];
    uint32_t random = 20261127;
    sha256_hash hash;
    fill_constants();
    plain((const uint8_t *)"abc", 3, found);
    expect(found, of_abc, "by the definition", 3);
    const char *name = sha256_choose();
    if (name == NULL) {
        printf("sha256: no instructions, hashlib takes over\n");
        return 0;
    }
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)((random = random * 1664525u + 1013904223u) >> 24);
    for (size_t align = 0; align < ALIGNMENTS; align++)
        /* Every length at the first alignments, a prime's steps at the others. */
        for (size_t n = 0; n <= LONGEST; n += align < 2 ? 1 : 37) {
            plain(data + align, n, wanted);
            sha256_begin(&hash);
            sha256_update(&hash, data + align, n);
            sha256_end(&hash, found);
            expect(found, wanted, "at some alignment", n);
        }
    for (int round = 0; round < SPLITS; round++) {
        size_t end = (random = random * 1664525u + 1013904223u) % (LONGEST + 1);
        plain(data, end, wanted);
        sha256_begin(&hash);
        for (size_t at = 0, part; at < end; at += part) {
            random = random * 1664525u + 1013904223u;
            part = (random >> 8) % (random >> 31 ? 80 : 1000);
            part = part < end - at ? part : end - at;
            sha256_update(&hash, data + at, part);
        }
        sha256_end(&hash, found);
        expect(found, wanted, "in pieces", end);
    }
    for (size_t n = 0; n <= LONGEST; n += 37) {
        hmac_sha256 hmac;
        plain_hmac(data + n, data, n, wanted);
        hmac_sha256_begin(&hmac, data + n);
        for (int again = 0; again < 2; again++) {
            hmac_sha256_sign(&hmac, data, n, found);
            expect(found, wanted, "as an HMAC", n);
        }
        sha256_update(&hmac.inner, data, n / 2);
        hmac_sha256_sign(&hmac, data + n / 2, n - n / 2, found);
        expect(found, wanted, "as an HMAC with a part taken in before", n);
    }
    printf("sha256 by %s: right\n", name);
    return 0;
}
