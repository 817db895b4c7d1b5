/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations shared by all files of lwkt-kv: counted memory, byte strings,
 * numbers, patterns, hashing, the clock and the log.  README.md has the map of
 * the files.
 */
#ifndef KV_H
#define KV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define KV_PRINTFLIKE(f, a)	__attribute__((format(printf, f, a)))
#define KV_COUNT(array)		(sizeof(array) / sizeof((array)[0]))

#define KV_MAXCPU	256
#define KV_MAXBULK	(512u << 20)	/* bytes of one string, as Redis */
#define KV_BIG		(32u << 10)	/* from here on, do not copy strings */

/* mem.c: malloc that counts, and exits if there is no memory; the log. */
void	 kv_mem_slot(unsigned int cpu);
size_t	 kv_mem_used(void);
bool	 kv_mem_dirty(void);
void	 kv_mem_sweep(void);
void	*kv_zalloc(size_t size) __attribute__((malloc));
void	*kv_realloc(void *p, size_t size);
void	 kv_free(void *p);
void	 kv_log(const char *fmt, ...) KV_PRINTFLIKE(1, 2);

#define kv_alloc(size)	kv_realloc(NULL, size)
#define kv_die(...)	(kv_log(__VA_ARGS__), _exit(1))

/*
 * A string on the heap.  Each pointer that is kept holds one reference.  With
 * one reference the bytes may be changed; with more they are read only.  So a
 * value can be on its way to a client while its key already has another one.
 */
struct kv_blob {
	_Atomic uint32_t b_refs;
	uint32_t	 b_len;
	uint32_t	 b_cap;
	char		 b_data[];
};

/* One argument of a command: bytes in the input buffer, or a whole blob. */
struct kv_arg {
	char		*a_p;
	size_t		 a_len;
	struct kv_blob	*a_blob;	/* a_p is its data, or NULL */
};

struct kv_blob	*kv_blob_new(const void *p, size_t len, size_t cap);
struct kv_blob	*kv_blob_ref(struct kv_blob *b);
void		 kv_blob_unref(struct kv_blob *b);
struct kv_blob	*kv_blob_room(struct kv_blob *b, size_t cap);
struct kv_blob	*kv_blob_arg(const struct kv_arg *a);

/* A match of a pattern and a string, in progress. */
struct kv_glob {
	const char	*g_p, *g_pend;	/* the pattern's next item */
	const char	*g_s, *g_send;	/* the string's next byte */
	const char	*g_star;	/* behind the last star, or NULL */
	const char	*g_from;	/* where the rest is tried next */
	size_t		 g_run;		/* plain bytes behind the star */
	size_t		 g_cost;	/* steps so far */
	const char	*g_set;		/* the next member of a set, or NULL */
	bool		 g_not, g_hit;	/* the set is [^...]; it has the byte */
	bool		 g_search;	/* go on from g_from by a search */
};

enum kv_glob_what { KV_GLOB_MORE, KV_GLOB_NO, KV_GLOB_YES };

/* clock.c */
int64_t	 kv_clock_ms(void);

/* text.c */
#define KV_NUMLEN	32		/* room for a number in decimal */
#define KV_FLOATLEN	5200		/* room for a long double in decimal */

bool	 kv_arg_i64(const struct kv_arg *a, int64_t *valp);
bool	 kv_arg_cursor(const struct kv_arg *a, uint64_t *valp);
bool	 kv_arg_double(const struct kv_arg *a, bool bound, double *valp);
bool	 kv_arg_ldouble(const struct kv_arg *a, long double *valp);
bool	 kv_arg_is(const struct kv_arg *a, const char *word);
size_t	 kv_fmt_i64(char *buf, int64_t val);
void	 kv_glob_begin(struct kv_glob *g, const struct kv_arg *pattern,
	    const char *s, size_t slen);
enum kv_glob_what kv_glob_run(struct kv_glob *g, unsigned int steps);
void	 kv_hash_seed(void);
uint64_t kv_hash(const void *p, size_t len);
uint64_t kv_random_below(uint64_t *state, uint64_t n);

/* The length for %.*s in messages, which quote at most 128 bytes. */
static inline int
kv_arg_show(const struct kv_arg *a)
{
	return a->a_len < 128 ? (int)a->a_len : 128;
}

#endif
