/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt-kv, the map; and what every file of it shares: counted memory, byte
 * strings, numbers, patterns, hashing, the log.
 *
 *	who talks to clients, one thread each
 *	    main.c	the start, the end; config.c, options and CONFIG
 *	    accept.c	new connections, dealt out to the CPUs
 *	    conn.c	one connection: receive, run, send
 *	    resp.c	requests out of bytes; reply.c, replies into bytes
 *	who owns the keys, one shard a CPU, one thread each
 *	    exec.c	operations to their shards and the replies back in order
 *	    shard.c	the threads of a shard
 *	    op.c	a turn of a command: its arguments, its value, its steps
 *	    db.c	keys and values; dict.c, their table; expire.c, ends
 *	what the commands are: each file has their functions and, at its end,
 *	their rows, of which command.c makes the table
 *	    keys.c	keys of any type, and commands on several or on all
 *	    string.c list.c table.c (hashes and sets) zset.c (with ztree.c)
 *	    server.c	about the server and the connection; client.c, CLIENT
 *	what they stand on
 *	    mem.c text.c hash.c log.c
 *
 * Start reading at conn.c, then exec.c and op.c.
 */
#ifndef KV_H
#define KV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KV_PRINTFLIKE(f, a)	__attribute__((format(printf, f, a)))
#define KV_COUNT(array)		(sizeof(array) / sizeof((array)[0]))

#define KV_MAXCPU	256
#define KV_MAXBULK	(512u << 20)	/* bytes of one string, as Redis */
#define KV_BIG		(32u << 10)	/* strings not copied any more */

/* mem.c: malloc that counts; running out ends the process. */
void	 kv_mem_slot(unsigned int cpu);
size_t	 kv_mem_used(void);
void	*kv_alloc(size_t size) __attribute__((malloc));
void	*kv_zalloc(size_t size) __attribute__((malloc));
void	*kv_realloc(void *p, size_t size);
void	 kv_free(void *p);

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
struct kv_blob	*kv_blob_set(struct kv_blob *b, const void *p, size_t len);
struct kv_blob	*kv_blob_arg(const struct kv_arg *a);

/* text.c */
#define KV_NUMLEN	32		/* room for any int64_t in decimal */
#define KV_FLOATLEN	5200		/* room for a long double in decimal */

bool	 kv_parse_i64(const char *p, size_t len, int64_t *valp);
bool	 kv_parse_double(const char *p, size_t len, double *valp);
bool	 kv_parse_bound(const char *p, size_t len, double *valp);
bool	 kv_parse_ldouble(const char *p, size_t len, long double *valp);
bool	 kv_parse_size(const char *s, uint64_t *valp);
size_t	 kv_fmt_i64(char *buf, int64_t val);
size_t	 kv_fmt_double(char *buf, double val);
size_t	 kv_fmt_ldouble(char *buf, long double val);
bool	 kv_glob(const char *pat, size_t plen, const char *s, size_t slen);
bool	 kv_ieq(const char *p, size_t len, const char *word);

static inline bool
kv_arg_is(const struct kv_arg *a, const char *word)
{
	return kv_ieq(a->a_p, a->a_len, word);
}

static inline bool
kv_arg_i64(const struct kv_arg *a, int64_t *valp)
{
	return kv_parse_i64(a->a_p, a->a_len, valp);
}

/* For %.*s in messages, which say so much of an argument and not more. */
static inline int
kv_arg_show(const struct kv_arg *a)
{
	return a->a_len < 128 ? (int)a->a_len : 128;
}

/* hash.c */
void	 kv_hash_seed(void);
uint64_t kv_hash(const void *p, size_t len);
uint64_t kv_random_below(uint64_t *state, uint64_t n);

/* log.c */
void	 kv_log(const char *fmt, ...) KV_PRINTFLIKE(1, 2);
void	 kv_die(const char *fmt, ...) KV_PRINTFLIKE(1, 2)
    __attribute__((noreturn));

#endif
