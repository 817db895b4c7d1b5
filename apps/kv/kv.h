/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt-kv, the map; and what every file of it shares: counted memory, byte
 * strings, numbers, patterns, hashing, the log.
 *
 *	who talks to clients, one thread each
 *	    main.c	the start, the end; new connections, dealt out to CPUs
 *	    conn.c	one connection: receive, run, send
 *	    resp.c	requests out of bytes; reply.c, replies into bytes
 *	who owns the keys, one shard a CPU, one thread each
 *	    exec.c	operations to their shards and the replies back in order
 *	    shard.c	the threads of a shard
 *	    op.c	a turn of a command: its arguments, its value, its steps
 *	    db.c	keys, values and their ends; dict.c, their table
 *	what the commands are: each file has their functions and, at its end,
 *	their rows, of which server.c makes the table
 *	    keys.c	keys of any type, and commands on several or on all
 *	    string.c list.c table.c (hashes and sets) zset.c (with ztree.c)
 *	    server.c	about the server; client.c, CLIENT; config.c, CONFIG
 *	what they stand on
 *	    mem.c text.c
 *
 * Start reading at conn.c, then exec.c and op.c.
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
#define KV_BIG		(32u << 10)	/* strings not copied any more */

/* mem.c: malloc that counts; running out ends the process.  The log. */
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

/* A match of a pattern and a string, under way. */
struct kv_glob {
	const char	*g_p, *g_pend;	/* the pattern's next item */
	const char	*g_s, *g_send;	/* the string's next byte */
	const char	*g_star;	/* behind the last star, or NULL */
	const char	*g_from;	/* what follows it is tried from here */
	size_t		 g_run;		/* bytes behind it without a meaning */
	size_t		 g_cost;	/* steps so far */
	const char	*g_set;		/* the next of a set's, or NULL */
	bool		 g_not, g_hit;	/* of that set: [^...]; so far */
	bool		 g_search;	/* go on from g_from by a search */
};

enum kv_glob_what { KV_GLOB_MORE, KV_GLOB_NO, KV_GLOB_YES };

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

/* For %.*s in messages, which say so much of an argument and not more. */
static inline int
kv_arg_show(const struct kv_arg *a)
{
	return a->a_len < 128 ? (int)a->a_len : 128;
}

#endif
