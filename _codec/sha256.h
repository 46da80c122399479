/* SHA-256 (FIPS 180-4) by the processor's own instructions, and HMAC (RFC 2104) with it.
 *
 * There is no version in plain C: hashlib's is faster, and takes over where the processor
 * has no such instructions. The instructions take the same time whatever they work on, and
 * what stands around them branches and indexes by lengths alone, so neither time nor cache
 * tells anything of a key.
 */
#ifndef AMAZON_TRANSCRIBE_SHA256_H
#define AMAZON_TRANSCRIBE_SHA256_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { SHA256_BLOCK = 64, SHA256_DIGEST = 32 };

/* Take so many blocks into the state. */
typedef void (*sha256_function)(uint32_t state[8], const uint8_t *data, size_t blocks);

#if defined(__GNUC__) || defined(__clang__)
#if defined(__x86_64__)
#define SHA256_X86 1
#elif defined(__aarch64__) && defined(__AARCH64EL__)
/* Older clangs hide the names of arm_neon.h from functions with a target of their own. */
#if !defined(__clang__) || __clang_major__ >= 16 || defined(__ARM_FEATURE_SHA2)
#define SHA256_ARM 1
#endif
#endif
#endif

#if defined(SHA256_X86) || defined(SHA256_ARM)
static const uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
#endif

/* x86-64: the SHA extensions. They keep the state as the words ABEF and CDGH. */

#if defined(SHA256_X86)
#include <cpuid.h>
#include <immintrin.h>

/* Without VEX encoding ("avx"), which the SHA instructions themselves do not have: it gains
 * nothing here, and there are processors with these instructions and without AVX. */
#define SHA256_ON_X86 __attribute__((target("sha,sse4.1,ssse3")))

SHA256_ON_X86 static inline __m128i sha256_load_words(const uint8_t *data) {
    const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)data), big_endian);
}

/* The four words of the schedule that follow these sixteen. */
SHA256_ON_X86 static inline __m128i sha256_next_words(__m128i w0, __m128i w1, __m128i w2,
                                                      __m128i w3) {
    __m128i sums = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
    return _mm_sha256msg2_epu32(sums, w3);
}

SHA256_ON_X86 static inline void sha256_four_rounds(__m128i *abef, __m128i *cdgh, __m128i words,
                                                    const uint32_t *constants) {
    __m128i sums = _mm_add_epi32(words, _mm_loadu_si128((const __m128i *)constants));
    *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, sums);
    *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(sums, 0x0E));
}

SHA256_ON_X86 static void sha256_ni(uint32_t state[8], const uint8_t *data, size_t blocks) {
    __m128i dcba = _mm_loadu_si128((const __m128i *)state);
    __m128i hgfe = _mm_loadu_si128((const __m128i *)(state + 4));
    __m128i badc = _mm_shuffle_epi32(dcba, 0xB1);
    __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1B);
    __m128i abef = _mm_alignr_epi8(badc, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, badc, 0xF0);
    for (; blocks; blocks--, data += SHA256_BLOCK) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i words[4];
        for (int i = 0; i < 4; i++) {
            words[i] = sha256_load_words(data + 16 * i);
            sha256_four_rounds(&abef, &cdgh, words[i], sha256_constants + 4 * i);
        }
        for (int round = 16; round < 64; round += 16)
            for (int i = 0; i < 4; i++) {
                words[i] = sha256_next_words(words[i], words[(i + 1) % 4], words[(i + 2) % 4],
                                             words[(i + 3) % 4]);
                sha256_four_rounds(&abef, &cdgh, words[i], sha256_constants + round + 4 * i);
            }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static int sha256_cpu_has_ni(void) {
    unsigned eax, ebx = 0, ecx, edx;
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3") &&
           __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx >> 29 & 1);
}
#endif

/* aarch64: the SHA2 instructions of ARMv8's cryptographic extension. */

#if defined(SHA256_ARM)
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#if defined(__clang__)
#define SHA256_ON_ARM __attribute__((target("sha2")))
#else
#define SHA256_ON_ARM __attribute__((target("+crypto")))
#endif

SHA256_ON_ARM static void sha256_armv8(uint32_t state[8], const uint8_t *data, size_t blocks) {
    uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
    for (; blocks; blocks--, data += SHA256_BLOCK) {
        const uint32x4_t abcd_before = abcd, efgh_before = efgh;
        uint32x4_t words[4];
        for (int i = 0; i < 4; i++)
            words[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 16 * i)));
        for (int round = 0; round < 64; round += 16)
            for (int i = 0; i < 4; i++) {
                if (round)
                    words[i] = vsha256su1q_u32(vsha256su0q_u32(words[i], words[(i + 1) % 4]),
                                               words[(i + 2) % 4], words[(i + 3) % 4]);
                uint32x4_t sums = vaddq_u32(words[i], vld1q_u32(sha256_constants + round + 4 * i));
                uint32x4_t old_abcd = abcd;
                abcd = vsha256hq_u32(abcd, efgh, sums);
                efgh = vsha256h2q_u32(efgh, old_abcd, sums);
            }
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }
    vst1q_u32(state, abcd);
    vst1q_u32(state + 4, efgh);
}

static int sha256_cpu_has_armv8(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & 1 << 6) != 0; /* HWCAP_SHA2 */
#elif defined(__APPLE__)
    int has = 0;
    size_t size = sizeof has;
    return sysctlbyname("hw.optional.arm.FEAT_SHA256", &has, &size, NULL, 0) == 0 && has;
#else
    return 0;
#endif
}
#endif

/* What the functions below hash with. */
static sha256_function sha256_blocks;

/* Choose by what the processor says it can do, and return the name; NULL if there is nothing. */
static const char *sha256_choose(void) {
#if defined(SHA256_X86)
    if (sha256_cpu_has_ni()) {
        sha256_blocks = sha256_ni;
        return "sha-ni";
    }
#elif defined(SHA256_ARM)
    if (sha256_cpu_has_armv8()) {
        sha256_blocks = sha256_armv8;
        return "armv8";
    }
#endif
    return NULL;
}

/* A hash of the bytes so far; those that fill no block yet are in `rest`. */
typedef struct {
    uint32_t state[8];
    uint64_t length;
    uint8_t rest[SHA256_BLOCK];
} sha256_hash;

static inline void sha256_begin(sha256_hash *hash) {
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, initial, sizeof initial);
    hash->length = 0;
}

static inline void sha256_update(sha256_hash *hash, const uint8_t *data, size_t length) {
    size_t have = hash->length % SHA256_BLOCK, blocks;
    if (length == 0)
        return;
    hash->length += length;
    if (have) {
        size_t room = SHA256_BLOCK - have, part = length < room ? length : room;
        memcpy(hash->rest + have, data, part);
        if (part < room)
            return;
        sha256_blocks(hash->state, hash->rest, 1);
        data += part;
        length -= part;
    }
    blocks = length / SHA256_BLOCK;
    if (blocks)
        sha256_blocks(hash->state, data, blocks);
    memcpy(hash->rest, data + SHA256_BLOCK * blocks, length % SHA256_BLOCK);
}

/* Write the digest; the hash is used up. */
static inline void sha256_end(sha256_hash *hash, uint8_t digest[SHA256_DIGEST]) {
    size_t have = hash->length % SHA256_BLOCK;
    uint64_t bits = 8 * hash->length;
    hash->rest[have++] = 0x80;
    if (have > SHA256_BLOCK - 8) {
        memset(hash->rest + have, 0, SHA256_BLOCK - have);
        sha256_blocks(hash->state, hash->rest, 1);
        have = 0;
    }
    memset(hash->rest + have, 0, SHA256_BLOCK - 8 - have);
    for (int i = 0; i < 8; i++)
        hash->rest[SHA256_BLOCK - 1 - i] = (uint8_t)(bits >> 8 * i);
    sha256_blocks(hash->state, hash->rest, 1);
    for (int i = 0; i < SHA256_DIGEST; i++)
        digest[i] = (uint8_t)(hash->state[i / 4] >> 8 * (3 - i % 4));
}

/* Clear what a key could be told from; a plain memset of what is not read again may be left
 * out by the compiler. */
static inline void sha256_wipe(void *data, size_t length) {
    static void *(*const volatile set)(void *, int, size_t) = memset;
    set(data, 0, length);
}

/* HMAC: both hashes with their pads taken in. What begins every text can be taken into
 * `inner` in advance. */
typedef struct {
    sha256_hash inner;
    sha256_hash outer;
} hmac_sha256;

enum { HMAC_SHA256_KEY = 32 };

static inline void hmac_sha256_begin(hmac_sha256 *hmac, const uint8_t key[HMAC_SHA256_KEY]) {
    uint8_t inner[SHA256_BLOCK], outer[SHA256_BLOCK];
    memset(inner, 0x36, sizeof inner);
    memset(outer, 0x5c, sizeof outer);
    for (int i = 0; i < HMAC_SHA256_KEY; i++) {
        inner[i] ^= key[i];
        outer[i] ^= key[i];
    }
    sha256_begin(&hmac->inner);
    sha256_update(&hmac->inner, inner, sizeof inner);
    sha256_begin(&hmac->outer);
    sha256_update(&hmac->outer, outer, sizeof outer);
    sha256_wipe(inner, sizeof inner);
    sha256_wipe(outer, sizeof outer);
}

/* Sign the text that ends with `data`; the key is ready for the next one. */
static inline void hmac_sha256_sign(const hmac_sha256 *hmac, const uint8_t *data, size_t length,
                                    uint8_t signature[SHA256_DIGEST]) {
    uint8_t digest[SHA256_DIGEST];
    sha256_hash hash = hmac->inner;
    sha256_update(&hash, data, length);
    sha256_end(&hash, digest);
    hash = hmac->outer;
    sha256_update(&hash, digest, sizeof digest);
    sha256_end(&hash, signature);
    sha256_wipe(&hash, sizeof hash);
}

#endif
