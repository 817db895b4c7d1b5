/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every file of the store shares: counted memory, byte strings, numbers,
 * patterns, hashing, the log.
 */
#ifndef KV_H
#define KV_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KV_PRINTFLIKE(f, a)	__attribute__((format(printf, f, a)))

#define KV_MAXCPU	256
#define KV_MAXBULK	(512u << 20)	/* bytes of one string, as Redis */
#define KV_BIG		(32u << 10)	/* strings not copied any more */

/* mem.c: malloc that counts; running out ends the process. */
void	 kv_mem_slot(unsigned int cpu);
void	*kv_alloc(size_t size) __attribute__((malloc));
void	*kv_zalloc(size_t size) __attribute__((malloc));
void	*kv_realloc(void *p, size_t size);
void	 kv_free(void *p);
size_t	 kv_mem_used(void);

/*
 * A string on the heap.  Whoever keeps a pointer holds one reference; with one
 * reference the bytes may be changed, with more they are read only.  So a
 * value can be on its way to a client while its key already has another.
 */
struct kv_blob {
	_Atomic uint32_t b_refs;
	uint32_t	 b_len;
	uint32_t	 b_cap;
	char		 b_data[];
};

struct kv_blob	*kv_blob_new(const void *p, size_t len);
struct kv_blob	*kv_blob_ref(struct kv_blob *b);
void		 kv_blob_unref(struct kv_blob *b);
struct kv_blob	*kv_blob_room(struct kv_blob *b, size_t cap);
struct kv_blob	*kv_blob_set(struct kv_blob *b, const void *p, size_t len);

/* One argument of a command: bytes in the input buffer, or a whole blob. */
struct kv_arg {
	char		*a_p;
	size_t		 a_len;
	struct kv_blob	*a_blob;	/* a_p is its data, or NULL */
};

struct kv_blob	*kv_blob_arg(const struct kv_arg *a);

/* num.c */
#define KV_NUMLEN	32		/* room for any int64_t in decimal */
#define KV_FLOATLEN	5200		/* room for a long double in decimal */

bool	 kv_parse_i64(const char *p, size_t len, int64_t *valp);
bool	 kv_parse_double(const char *p, size_t len, double *valp);
bool	 kv_parse_bound(const char *p, size_t len, double *valp);
bool	 kv_parse_ldouble(const char *p, size_t len, long double *valp);
size_t	 kv_fmt_i64(char *buf, int64_t val);
size_t	 kv_fmt_double(char *buf, double val);
size_t	 kv_fmt_ldouble(char *buf, long double val);
bool	 kv_parse_size(const char *s, uint64_t *valp);

/* glob.c */
bool	 kv_glob(const char *pat, size_t plen, const char *s, size_t slen);
bool	 kv_ieq(const char *p, size_t len, const char *word);

static inline bool
kv_arg_is(const struct kv_arg *a, const char *word)
{
	return kv_ieq(a->a_p, a->a_len, word);
}

/* hash.c */
void	 kv_hash_seed(void);
uint64_t kv_hash(const void *p, size_t len);
uint64_t kv_random(uint64_t *state);
uint64_t kv_random_below(uint64_t *state, uint64_t n);

/* log.c */
void	 kv_log(const char *fmt, ...) KV_PRINTFLIKE(1, 2);
void	 kv_die(const char *fmt, ...) KV_PRINTFLIKE(1, 2)
    __attribute__((noreturn));

#endif
