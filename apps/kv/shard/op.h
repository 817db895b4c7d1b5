/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands and operations.
 *
 * A command is a row of a table (struct kv_cmd).  A call of it is an operation
 * (struct kv_op).  An operation on keys runs on the shard's CPU in turns.  A
 * turn does not block or switch.  It takes about 100 us at most (op.c), except
 * when it must hash or copy a very long string.
 */
#ifndef KV_OP_H
#define KV_OP_H

#include "proto/proto.h"
#include "shard/db.h"

#include <lwkt/lwkt.h>

#define KV_STEPS	16	/* steps between two reads of the clock */
#define KV_NINTS	2	/* arguments that are integers, at most */

#define KV_E_INTEGER	"ERR value is not an integer or out of range"
#define KV_E_FLOAT	"ERR value is not a valid float"
#define KV_E_WHEN	"ERR invalid expire time in '%s' command"
#define KV_E_SYNTAX	"ERR syntax error"
#define KV_E_NOKEY	"ERR no such key"
#define KV_E_ARITY	"ERR wrong number of arguments for '%s' command"
#define KV_E_TYPE	"WRONGTYPE Operation against a key holding the " \
			"wrong kind of value"

/*
 * One command on one key (or one shard), from parsing to its reply.  While it
 * is on its way to a shard and back, it belongs to that shard's CPU.
 */
struct kv_op {
	struct lwkt_msg	 op_msg;	/* of the first of a list */
	struct kv_op	*op_next;	/* of the same shard */
	const struct kv_cmd *op_cmd;
	struct kv_conn	*op_conn;
	struct kv_arg	*op_argv;
	int		 op_argc;
	unsigned int	 op_shard;
	uint64_t	 op_hash;	/* of the key, op_argv[1] */
	struct kv_reply	*op_out;
	size_t		 op_arg0;	/* place of op_argv, which may move */
	struct kv_db	*op_db;
	struct kv_ent	*op_ent;	/* in the first turn */
	struct kv_obj	*op_obj;	/* the key's value, if of elements */
	/* The command's own: zero at first, kept from turn to turn. */
	void		*op_at;
	uint64_t	 op_pos;
	int64_t		 op_left;	/* steps to come */
	int64_t		 op_result;
	int64_t		 op_int[KV_NINTS]; /* those of c_ints */
	uint32_t	 op_words;	/* options given, and c_how */
	int		 op_end;	/* the first argument after them */
	int		 op_val[4];	/* where the options' arguments are */
	size_t		 op_cost;	/* steps since the clock was read */
	size_t		 op_counted;	/* bytes of op_out in c_made */
	uint32_t	 op_turns;
	bool		 op_begun, op_pinned, op_done;
	bool		 op_part;	/* of a command of many keys */
	bool		 op_stop;	/* the reply is not wanted any more */
};

/*
 * The properties of a command.  COMMAND shows the first six; the others are
 * for op.c and exec.c.
 */
enum kv_flag {
	KV_WRITE = 0x001,
	KV_READ = 0x002,
	KV_DENYOOM = 0x004,	/* may need memory: refused above maxmemory */
	KV_ADMIN = 0x008,
	KV_FAST = 0x010,
	KV_LOADING = 0x020,
	KV_LOOK = 0x040,	/* counts as a hit or a miss; so does KV_READ */
				/* of a family with a type */
	KV_MAKE = 0x080,	/* makes the value if there is none */
	KV_ARGS = 0x100,	/* a step for each argument from 2 on */
	KV_SUM = 0x200,		/* the reply is op_result, over all keys */
	KV_ANYTYPE = 0x400,	/* of any type, unlike the family */
	KV_EVERY = 0x800,	/* runs on every shard */
	KV_PARTS = 0x1000,	/* and the reply has op_result parts */
	KV_OK = 0x2000,		/* the reply is OK */
	KV_PAIRS = 0x4000,	/* the arguments after the key are pairs */
	KV_ARRAY = 0x8000,	/* the reply is an array, a part a step */
	KV_REST = 0x10000,	/* reads what follows the options itself */
	KV_ALONE = 0x20000,	/* waits for others, even if of any type */
};

/* Words that are options, in the order of words[] of op.c; c_how's own. */
enum kv_word {
	KV_NX = 1, KV_XX = 2, KV_GT = 4, KV_LT = 8, KV_CH = 0x10,
	KV_INCR = 0x20, KV_GET = 0x40, KV_KEEPTTL = 0x80, KV_PERSIST = 0x100,
	KV_EX = 0x200, KV_PX = 0x400, KV_EXAT = 0x800, KV_PXAT = 0x1000,
	KV_BYSCORE = 0x2000, KV_BYLEX = 0x4000, KV_REV = 0x8000,
	KV_WITHSCORES = 0x10000, KV_LIMIT = 0x20000, KV_MATCH = 0x40000,
	KV_OFTYPE = 0x80000, KV_COUNT_OF = 0x100000, KV_ID = 0x200000,
	KV_ADDR = 0x400000, KV_LADDR = 0x800000, KV_SKIPME = 0x1000000,
	KV_HOW1 = 0x10000000, KV_HOW2 = 0x20000000, KV_HOW3 = 0x40000000,
	KV_TTL = KV_EX | KV_PX | KV_EXAT | KV_PXAT,
};

/* What a command does after a check of its arguments or its value. */
enum kv_ready {
	KV_READY,
	KV_LATER,		/* it must be tried again in a later turn */
	KV_FAILED		/* it is over: an error was replied */
};

struct kv_cmd {
	const char	*c_name;
	int		 c_arity;	/* with the name; -n: at least n */
	unsigned int	 c_flags;	/* enum kv_flag */
	int		 c_keys;	/* argument of the last key; -1: the */
					/* last argument; 0: no keys */
	int		 c_step;	/* arguments from one key to the next */
	void		(*c_fn)(struct kv_op *);	/* the first turn */
	uint8_t		 c_ints[KV_NINTS]; /* arguments that are integers */
	uint32_t	 c_words;	/* options, from argument c_from on */
	int		 c_from;
	enum kv_ready	(*c_first)(struct kv_op *);	/* before the options */
	enum kv_ready	(*c_parse)(struct kv_op *);	/* after them */
	void		(*c_each)(struct kv_op *);	/* a step */
	void		(*c_end)(struct kv_op *);	/* frees op_at */
	kv_visit_t	 c_visit;	/* instead of c_each: of nodes */
	uint32_t	 c_how;		/* op_words in the beginning */
	const struct kv_family *c_family;	/* set at the start */
};

/* The rows of one file. */
struct kv_family {
	const char	*f_group;	/* as COMMAND DOCS calls it */
	enum kv_type	 f_type;
	struct kv_cmd	*f_rows;
	size_t		 f_nrows;
};

#define KV_FAMILY(group, type, rows)	{ group, type, rows, KV_COUNT(rows) }

/* Rows of commands on one key (argument 1), on several keys, on no key. */
#define KV_ROW(name, arity, flags, last, step, fn, ...) { \
	.c_name = name, .c_arity = arity, .c_flags = flags, \
	.c_keys = last, .c_step = step, .c_fn = fn, __VA_ARGS__ }
#define KV_KEY(name, arity, flags, ...) \
	KV_ROW(name, arity, flags, 1, 1, __VA_ARGS__)
#define KV_KEYS(name, arity, flags, step, ...) \
	KV_ROW(name, arity, flags, -1, step, __VA_ARGS__)
#define KV_CONN(name, arity, flags, ...) \
	KV_ROW(name, arity, flags, 0, 0, __VA_ARGS__)

/* op.c */
bool	 kv_turn_over(struct kv_db *db);
void	 kv_row_init(struct kv_cmd *cmd, const struct kv_family *f);
bool	 kv_op_turn(struct kv_db *db, struct kv_op *op);
enum kv_ready kv_op_fail(struct kv_op *op, const char *text);
enum kv_ready kv_op_read(struct kv_op *op);
enum kv_ready kv_op_count(struct kv_op *op);
enum kv_ready kv_op_when(struct kv_op *op, int arg, bool positive);
struct kv_arg *kv_op_next(struct kv_op *op);
void	 kv_op_scan(struct kv_op *op, kv_visit_t visit);
bool	 kv_clip_range(int64_t len, int64_t *startp, int64_t *endp);

/* If wrong is not NULL, reply this error. */
static inline enum kv_ready
kv_op_check(struct kv_op *op, const char *wrong)
{
	return wrong == NULL ? KV_READY : kv_op_fail(op, wrong);
}

#endif
