/* CRC-32 of the event-stream wire format: the one of zlib and gzip, reflected polynomial
 * 0xEDB88320, initial value and final xor 0xFFFFFFFF.
 *
 * The message is a polynomial over GF(2), and its remainder does not change when a part
 * of it is replaced by something congruent: 128 bits A that stand D bits before the end
 * are folded away by A.low * (x^(D+32) mod P) ^ A.high * (x^(D-32) mod P), in which the
 * processor multiplies without carries. The last 128 bits are reduced by Barrett's method.
 * (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction", Intel, 2009.) Elsewhere eight tables take eight bytes a step (Kounavis
 * and Berry, "A Systematic Approach to Building High Performance, Software-based, CRC
 * Generators", 2005).
 *
 * The path is chosen once, at run time, from what the processor says it can do.
 */
#ifndef AMAZON_TRANSCRIBE_CRC32_H
#define AMAZON_TRANSCRIBE_CRC32_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Calculate a CRC and, unless `copy` is NULL, copy the data on the way. */
typedef uint32_t (*crc32_function)(uint32_t crc, const uint8_t *data, size_t length,
                                   uint8_t *copy);

typedef struct {
    const char *name;
    crc32_function function;
} crc32_path;

/* Tables: every processor, either byte order. */

static uint32_t crc32_table[8][256];

static void crc32_fill_table(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1)));
        crc32_table[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        for (int step = 1; step < 8; step++) {
            uint32_t crc = crc32_table[step - 1][byte];
            crc32_table[step][byte] = (crc >> 8) ^ crc32_table[0][crc & 0xFF];
        }
}

static inline uint32_t crc32_load_little(const uint8_t *data) {
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
           (uint32_t)data[3] << 24;
}

/* Functions named `_raw` take and return the CRC without the final xor. */
static inline uint32_t crc32_tables_raw(uint32_t crc, const uint8_t *data, size_t length) {
    while (length >= 8) {
        uint32_t low = crc ^ crc32_load_little(data);
        uint32_t high = crc32_load_little(data + 4);
        crc = crc32_table[7][low & 0xFF] ^ crc32_table[6][low >> 8 & 0xFF] ^
              crc32_table[5][low >> 16 & 0xFF] ^ crc32_table[4][low >> 24] ^
              crc32_table[3][high & 0xFF] ^ crc32_table[2][high >> 8 & 0xFF] ^
              crc32_table[1][high >> 16 & 0xFF] ^ crc32_table[0][high >> 24];
        data += 8;
        length -= 8;
    }
    if (length >= 4) {
        uint32_t low = crc ^ crc32_load_little(data);
        crc = crc32_table[3][low & 0xFF] ^ crc32_table[2][low >> 8 & 0xFF] ^
              crc32_table[1][low >> 16 & 0xFF] ^ crc32_table[0][low >> 24];
        data += 4;
        length -= 4;
    }
    while (length--)
        crc = (crc >> 8) ^ crc32_table[0][(crc ^ *data++) & 0xFF];
    return crc;
}

static inline void crc32_copy(uint8_t *copy, const uint8_t *data, size_t length) {
    if (copy && length)
        memcpy(copy, data, length);
}

static uint32_t crc32_tables(uint32_t crc, const uint8_t *data, size_t length, uint8_t *copy) {
    crc32_copy(copy, data, length);
    return ~crc32_tables_raw(~crc, data, length);
}

/* x86-64: PCLMULQDQ on 128, 256 and 512 bits. */

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define CRC32_X86 1
#include <immintrin.h>

/* VEX encoding ("avx") doubles the speed of the 128-bit path: no register copies. */
#define CRC32_ON_128 __attribute__((target("avx,pclmul")))
#define CRC32_ON_256 __attribute__((target("avx2,pclmul,vpclmulqdq")))
#define CRC32_ON_512 __attribute__((target("avx512f,avx512vl,avx2,pclmul,vpclmulqdq")))

/* For a fold over D bits: x^(D+32) mod P, x^(D-32) mod P, reflected, shifted by one. */
#define CRC32_FOLD_128 0x1751997d0, 0x0ccaa009e
#define CRC32_FOLD_256 0x0f1da05aa, 0x15a546366
#define CRC32_FOLD_384 0x03db1ecdc, 0x174359406
#define CRC32_FOLD_512 0x154442bd4, 0x1c6e41596
#define CRC32_FOLD_1024 0x1e88ef372, 0x14a7fe880
#define CRC32_FOLD_1536 0x1821d8bc0, 0x12e958ac4
#define CRC32_FOLD_2048 0x11542778a, 0x1322d1430
#define CRC32_FOLD_64 0x163cd6124 /* x^64 mod P */
#define CRC32_POLYNOMIAL 0x1db710641
#define CRC32_QUOTIENT 0x1f7011641 /* floor(x^64 / P) */

CRC32_ON_128 static inline __m128i crc32_constants(long long low, long long high) {
    return _mm_set_epi64x(high, low);
}

CRC32_ON_128 static inline __m128i crc32_fold_128(__m128i state, __m128i k, __m128i data) {
    return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(state, k, 0x00), data),
                         _mm_clmulepi64_si128(state, k, 0x11));
}

CRC32_ON_128 static inline __m128i crc32_load_128(const uint8_t *data) {
    return _mm_loadu_si128((const __m128i *)data);
}

/* Indices that move a register's bytes up or down, zeros moving in: at 16 - n they move
 * up by n, at 16 + n down by n. */
static const uint8_t crc32_shifts[48] = {
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12,   13,   14,   15,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
};

/* The end that all three widths share: `state` stands for everything before `data`. At
 * least 16 bytes have been folded into it, so the 16 bytes before the end are readable. */
CRC32_ON_128 static inline uint32_t crc32_finish_raw(__m128i state, const uint8_t *data,
                                                     size_t length) {
    const __m128i fold = crc32_constants(CRC32_FOLD_128);
    while (length >= 16) {
        state = crc32_fold_128(state, fold, crc32_load_128(data));
        data += 16;
        length -= 16;
    }
    if (length) {
        /* Cut state + rest into a first part of `length` bytes and 16 bytes. */
        __m128i up = crc32_load_128(crc32_shifts + length);
        __m128i down = crc32_load_128(crc32_shifts + 16 + length);
        __m128i last = crc32_load_128(data + length - 16);
        /* `down` has its top bit set exactly where the rest belongs. */
        __m128i tail = _mm_blendv_epi8(_mm_shuffle_epi8(state, down), last, down);
        state = crc32_fold_128(_mm_shuffle_epi8(state, up), fold, tail);
    }
    /* 128 bits to 96, to 64, to 32. */
    const __m128i low_words = _mm_setr_epi32(-1, 0, -1, 0);
    state = _mm_xor_si128(_mm_srli_si128(state, 8), _mm_clmulepi64_si128(state, fold, 0x10));
    state = _mm_xor_si128(
        _mm_srli_si128(state, 4),
        _mm_clmulepi64_si128(_mm_and_si128(state, low_words), crc32_constants(CRC32_FOLD_64, 0),
                             0x00));
    const __m128i barrett = crc32_constants(CRC32_POLYNOMIAL, CRC32_QUOTIENT);
    __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(state, low_words), barrett, 0x10);
    __m128i product = _mm_clmulepi64_si128(_mm_and_si128(quotient, low_words), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(state, product), 1);
}

CRC32_ON_128 static uint32_t crc32_pclmul(uint32_t crc, const uint8_t *data, size_t length,
                                         uint8_t *copy) {
    if (length < 16)
        return crc32_tables(crc, data, length, copy);
    crc32_copy(copy, data, length);
    __m128i state = _mm_xor_si128(crc32_load_128(data), _mm_cvtsi32_si128((int)~crc));
    data += 16;
    length -= 16;
    if (length >= 48 + 64) {
        const __m128i by_4 = crc32_constants(CRC32_FOLD_512);
        __m128i state_1 = crc32_load_128(data);
        __m128i state_2 = crc32_load_128(data + 16);
        __m128i state_3 = crc32_load_128(data + 32);
        data += 48;
        length -= 48;
        do {
            state = crc32_fold_128(state, by_4, crc32_load_128(data));
            state_1 = crc32_fold_128(state_1, by_4, crc32_load_128(data + 16));
            state_2 = crc32_fold_128(state_2, by_4, crc32_load_128(data + 32));
            state_3 = crc32_fold_128(state_3, by_4, crc32_load_128(data + 48));
            data += 64;
            length -= 64;
        } while (length >= 64);
        state_3 = crc32_fold_128(state, crc32_constants(CRC32_FOLD_384), state_3);
        state_3 = crc32_fold_128(state_1, crc32_constants(CRC32_FOLD_256), state_3);
        state = crc32_fold_128(state_2, crc32_constants(CRC32_FOLD_128), state_3);
    }
    return ~crc32_finish_raw(state, data, length);
}

CRC32_ON_256 static inline __m256i crc32_fold_256(__m256i state, __m256i k, __m256i data) {
    return _mm256_xor_si256(_mm256_xor_si256(_mm256_clmulepi64_epi128(state, k, 0x00), data),
                            _mm256_clmulepi64_epi128(state, k, 0x11));
}

CRC32_ON_256 static inline void crc32_store_256(uint8_t *copy, __m256i data) {
    _mm256_storeu_si256((__m256i *)copy, data);
}

CRC32_ON_256 static inline __m256i crc32_load_256(const uint8_t *data) {
    return _mm256_loadu_si256((const __m256i *)data);
}

CRC32_ON_256 static uint32_t crc32_vpclmul_256(uint32_t crc, const uint8_t *data, size_t length,
                                              uint8_t *copy) {
    if (length < 256)
        return crc32_pclmul(crc, data, length, copy);
    if (copy) {
        memcpy(copy, data, 128);
        copy += 128;
    }
    __m256i state = _mm256_xor_si256(
        crc32_load_256(data), _mm256_zextsi128_si256(_mm_cvtsi32_si128((int)~crc)));
    __m256i state_1 = crc32_load_256(data + 32);
    __m256i state_2 = crc32_load_256(data + 64);
    __m256i state_3 = crc32_load_256(data + 96);
    data += 128;
    length -= 128;
    const __m256i by_4 = _mm256_broadcastsi128_si256(crc32_constants(CRC32_FOLD_1024));
    do {
        __m256i data_0 = crc32_load_256(data);
        __m256i data_1 = crc32_load_256(data + 32);
        __m256i data_2 = crc32_load_256(data + 64);
        __m256i data_3 = crc32_load_256(data + 96);
        if (copy) {
            crc32_store_256(copy, data_0);
            crc32_store_256(copy + 32, data_1);
            crc32_store_256(copy + 64, data_2);
            crc32_store_256(copy + 96, data_3);
            copy += 128;
        }
        state = crc32_fold_256(state, by_4, data_0);
        state_1 = crc32_fold_256(state_1, by_4, data_1);
        state_2 = crc32_fold_256(state_2, by_4, data_2);
        state_3 = crc32_fold_256(state_3, by_4, data_3);
        data += 128;
        length -= 128;
    } while (length >= 128);
    crc32_copy(copy, data, length);
    const __m256i by_1 = _mm256_broadcastsi128_si256(crc32_constants(CRC32_FOLD_256));
    const __m256i by_2 = _mm256_broadcastsi128_si256(crc32_constants(CRC32_FOLD_512));
    state = crc32_fold_256(state, by_1, state_1);
    state_2 = crc32_fold_256(state_2, by_1, state_3);
    state = crc32_fold_256(state, by_2, state_2);
    while (length >= 32) {
        state = crc32_fold_256(state, by_1, crc32_load_256(data));
        data += 32;
        length -= 32;
    }
    __m128i folded =
        crc32_fold_128(_mm256_castsi256_si128(state), crc32_constants(CRC32_FOLD_128),
                       _mm256_extracti128_si256(state, 1));
    return ~crc32_finish_raw(folded, data, length);
}

CRC32_ON_512 static inline __m512i crc32_fold_512(__m512i state, __m512i k, __m512i data) {
    return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(state, k, 0x00),
                                     _mm512_clmulepi64_epi128(state, k, 0x11), data, 0x96);
}

CRC32_ON_512 static inline void crc32_store_512(uint8_t *copy, __m512i data) {
    _mm512_storeu_si512((__m512i *)copy, data);
}

CRC32_ON_512 static inline __m512i crc32_load_512(const uint8_t *data) {
    return _mm512_loadu_si512((const void *)data);
}

CRC32_ON_512 static uint32_t crc32_vpclmul_512(uint32_t crc, const uint8_t *data, size_t length,
                                              uint8_t *copy) {
    if (length < 256)
        return crc32_pclmul(crc, data, length, copy);
    if (copy) {
        memcpy(copy, data, 256);
        copy += 256;
    }
    __m512i state = _mm512_xor_si512(
        crc32_load_512(data), _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)~crc)));
    __m512i state_1 = crc32_load_512(data + 64);
    __m512i state_2 = crc32_load_512(data + 128);
    __m512i state_3 = crc32_load_512(data + 192);
    data += 256;
    length -= 256;
    const __m512i by_4 = _mm512_broadcast_i32x4(crc32_constants(CRC32_FOLD_2048));
    while (length >= 256) {
        __m512i data_0 = crc32_load_512(data);
        __m512i data_1 = crc32_load_512(data + 64);
        __m512i data_2 = crc32_load_512(data + 128);
        __m512i data_3 = crc32_load_512(data + 192);
        if (copy) {
            crc32_store_512(copy, data_0);
            crc32_store_512(copy + 64, data_1);
            crc32_store_512(copy + 128, data_2);
            crc32_store_512(copy + 192, data_3);
            copy += 256;
        }
        state = crc32_fold_512(state, by_4, data_0);
        state_1 = crc32_fold_512(state_1, by_4, data_1);
        state_2 = crc32_fold_512(state_2, by_4, data_2);
        state_3 = crc32_fold_512(state_3, by_4, data_3);
        data += 256;
        length -= 256;
    }
    crc32_copy(copy, data, length);
    const __m512i by_1 = _mm512_broadcast_i32x4(crc32_constants(CRC32_FOLD_512));
    const __m512i by_2 = _mm512_broadcast_i32x4(crc32_constants(CRC32_FOLD_1024));
    state = crc32_fold_512(state, by_1, state_1);
    state_2 = crc32_fold_512(state_2, by_1, state_3);
    state = crc32_fold_512(state, by_2, state_2);
    while (length >= 64) {
        state = crc32_fold_512(state, by_1, crc32_load_512(data));
        data += 64;
        length -= 64;
    }
    __m128i folded = _mm512_extracti32x4_epi32(state, 3);
    folded = crc32_fold_128(_mm512_castsi512_si128(state), crc32_constants(CRC32_FOLD_384), folded);
    folded = crc32_fold_128(_mm512_extracti32x4_epi32(state, 1), crc32_constants(CRC32_FOLD_256),
                            folded);
    folded = crc32_fold_128(_mm512_extracti32x4_epi32(state, 2), crc32_constants(CRC32_FOLD_128),
                            folded);
    return ~crc32_finish_raw(folded, data, length);
}
#endif

/* aarch64: the CRC32 and PMULL instructions. */

#if defined(__aarch64__) && defined(__AARCH64EL__) && (defined(__GNUC__) || defined(__clang__))
#define CRC32_ARM 1
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

/* Older clangs hide the names of arm_acle.h from functions with a target of their own. */
#if defined(__clang__)
#define CRC32_ON_CRC __attribute__((target("crc")))
#define CRC32_ON_PMULL __attribute__((target("crc,aes")))
#define CRC32_OF_WORD __builtin_arm_crc32d
#define CRC32_OF_BYTE __builtin_arm_crc32b
#else
#include <arm_acle.h>
#define CRC32_ON_CRC __attribute__((target("+crc")))
#define CRC32_ON_PMULL __attribute__((target("+crc+crypto")))
#define CRC32_OF_WORD __crc32d
#define CRC32_OF_BYTE __crc32b
#endif

CRC32_ON_CRC static inline uint32_t crc32_instruction_raw(uint32_t crc, const uint8_t *data,
                                                          size_t length) {
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        crc = CRC32_OF_WORD(crc, word);
        data += 8;
        length -= 8;
    }
    while (length--)
        crc = CRC32_OF_BYTE(crc, *data++);
    return crc;
}

CRC32_ON_CRC static uint32_t crc32_instruction(uint32_t crc, const uint8_t *data, size_t length,
                                               uint8_t *copy) {
    crc32_copy(copy, data, length);
    return ~crc32_instruction_raw(~crc, data, length);
}

CRC32_ON_PMULL static inline uint64x2_t crc32_fold_pmull(uint64x2_t state, uint64x2_t k,
                                                         const uint8_t *data) {
    uint64x2_t low = vreinterpretq_u64_p128(
        vmull_p64((poly64_t)vgetq_lane_u64(state, 0), (poly64_t)vgetq_lane_u64(k, 0)));
    uint64x2_t high = vreinterpretq_u64_p128(
        vmull_high_p64(vreinterpretq_p64_u64(state), vreinterpretq_p64_u64(k)));
    return veorq_u64(veorq_u64(low, high), vreinterpretq_u64_u8(vld1q_u8(data)));
}

/* Folds 64 bytes a step; the four registers left are 64 bytes for the CRC instruction. */
CRC32_ON_PMULL static uint32_t crc32_pmull(uint32_t crc, const uint8_t *data, size_t length,
                                           uint8_t *copy) {
    if (length < 256)
        return crc32_instruction(crc, data, length, copy);
    crc32_copy(copy, data, length);
    const uint64x2_t by_4 = vcombine_u64(vcreate_u64(0x154442bd4), vcreate_u64(0x1c6e41596));
    uint64x2_t state[4];
    for (int lane = 0; lane < 4; lane++)
        state[lane] = vreinterpretq_u64_u8(vld1q_u8(data + 16 * lane));
    state[0] = veorq_u64(state[0], vcombine_u64(vcreate_u64((uint32_t)~crc), vcreate_u64(0)));
    data += 64;
    length -= 64;
    while (length >= 64) {
        for (int lane = 0; lane < 4; lane++)
            state[lane] = crc32_fold_pmull(state[lane], by_4, data + 16 * lane);
        data += 64;
        length -= 64;
    }
    uint8_t folded[64];
    for (int lane = 0; lane < 4; lane++)
        vst1q_u8(folded + 16 * lane, vreinterpretq_u8_u64(state[lane]));
    return ~crc32_instruction_raw(crc32_instruction_raw(0, folded, 64), data, length);
}

static int crc32_cpu_has_crc(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & 1 << 7) != 0; /* HWCAP_CRC32 */
#elif defined(__APPLE__)
    int has = 0;
    size_t size = sizeof has;
    return sysctlbyname("hw.optional.armv8_crc32", &has, &size, NULL, 0) == 0 && has;
#else
    return 0;
#endif
}

static int crc32_cpu_has_pmull(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & 1 << 4) != 0; /* HWCAP_PMULL */
#elif defined(__APPLE__)
    int has = 0;
    size_t size = sizeof has;
    return sysctlbyname("hw.optional.arm.FEAT_PMULL", &has, &size, NULL, 0) == 0 && has;
#else
    return 0;
#endif
}
#endif

/* The paths that this processor has, slowest first; the last one is used. */
static crc32_path crc32_paths[4];
static size_t crc32_path_count;
static crc32_function crc32_fastest;

static void crc32_choose(void) {
    crc32_fill_table();
    size_t count = 0;
    crc32_paths[count++] = (crc32_path){"tables", crc32_tables};
#if defined(CRC32_X86)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx") && __builtin_cpu_supports("pclmul")) {
        crc32_paths[count++] = (crc32_path){"pclmul", crc32_pclmul};
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("vpclmulqdq")) {
            crc32_paths[count++] = (crc32_path){"vpclmul-256", crc32_vpclmul_256};
            if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
                crc32_paths[count++] = (crc32_path){"vpclmul-512", crc32_vpclmul_512};
        }
    }
#elif defined(CRC32_ARM)
    if (crc32_cpu_has_crc()) {
        crc32_paths[count++] = (crc32_path){"crc32", crc32_instruction};
        if (crc32_cpu_has_pmull())
            crc32_paths[count++] = (crc32_path){"pmull", crc32_pmull};
    }
#endif
    crc32_path_count = count;
    crc32_fastest = crc32_paths[count - 1].function;
}

/* The CRC of the bytes so far, continued over `length` more bytes; 0 to begin with. */
static inline uint32_t crc32_update(uint32_t crc, const uint8_t *data, size_t length) {
    if (length < 16)
        return crc32_tables(crc, data, length, NULL);
    return crc32_fastest(crc, data, length, NULL);
}

/* The same, with the bytes copied on the way, so that they are read once. */
static inline uint32_t crc32_update_copy(uint32_t crc, const uint8_t *data, size_t length,
                                         uint8_t *copy) {
    return crc32_fastest(crc, data, length, copy);
}

#endif
