/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data of one shard, and what the commands on it are made of.
 *
 * A command is a row (struct kv_cmd), a use of it an operation (struct kv_op).
 * An operation on keys runs on the shard's CPU in turns, which do not block or
 * switch and take about 100 us at most (op.c).
 */
#ifndef KV_DB_H
#define KV_DB_H

#include "dict.h"
#include "proto.h"

#include <bsd/sys/tree.h>
#include <lwkt/lwkt.h>

#define KV_STEPS	16	/* steps between two looks at the clock */
#define KV_NEVER	INT64_MAX	/* ms: when keys without an end end */

#define KV_E_INTEGER	"ERR value is not an integer or out of range"
#define KV_E_FLOAT	"ERR value is not a valid float"
#define KV_E_WHEN	"ERR invalid expire time in '%s' command"
#define KV_E_SYNTAX	"ERR syntax error"
#define KV_E_NOKEY	"ERR no such key"
#define KV_E_ARITY	"ERR wrong number of arguments for '%s' command"
#define KV_E_TYPE	"WRONGTYPE Operation against a key holding the " \
			"wrong kind of value"

enum kv_type {
	KV_INT, KV_STRING,		/* both strings; the value itself */
	KV_LIST, KV_HASH, KV_SET, KV_ZSET, /* struct kv_obj */
	KV_SPACE,			/* a keyspace on its way out */
	KV_ANY				/* of a command: does not matter */
};

/*
 * Everything with elements, in a table.  The elements of a keyspace, a hash
 * and a list are struct kv_ent, those of a set just nodes, those of a sorted
 * set members that are in a tree as well.
 */
struct kv_obj {
	struct kv_obj	*o_next;	/* in the shard's trash */
	uint32_t	 o_pins;	/* operations under way on it */
	uint8_t		 o_type;
	bool		 o_excl;	/* one of them changes it */
	bool		 o_dead;	/* no key has it any more */
	struct kv_dict	 o_dict;
	union {
		int64_t	 o_first;	/* of a list: the first one's name */
		RB_HEAD(kv_ztree, kv_member) o_tree;	/* of a sorted set */
	};
};

/* A key and its value, or a field and its. */
struct kv_ent {
	struct kv_node	 e_node;
	union {
		int64_t		 e_int;
		struct kv_blob	*e_blob;
		struct kv_obj	*e_obj;
	};
	struct kv_timer	*e_timer;	/* NULL: no end */
	uint8_t		 e_type;
	char		 e_key[];
};

/* What a shard's CPU counts. */
enum kv_counter {
	KV_N_COMMANDS, KV_N_ACCEPTED, KV_N_IN, KV_N_OUT, KV_N_EXPIRED,
	KV_N_HITS, KV_N_MISSES, KV_N_KEYS, KV_N_ENDS, KV_NCOUNTERS
};

struct kv_db {
	struct kv_obj	*db_keys;
	RB_HEAD(kv_timers, kv_timer) db_timers;	/* the next to end first */
	uint64_t	 db_ntimers;
	struct kv_obj	*db_trash;	/* freed bit by bit */
	struct kv_obj	 db_none;	/* the value of keys without one */
	int64_t		 db_now;	/* ms since 1970, of this turn */
	int64_t		 db_until;	/* ns, when this turn ends; 0: new */
	uint64_t	 db_rng;
	uint64_t	 db_count[KV_NCOUNTERS];
};

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
	size_t		 op_arg0;	/* op_argv, while that may move */
	struct kv_db	*op_db;
	struct kv_ent	*op_ent;	/* in the first turn */
	struct kv_obj	*op_obj;	/* the key's value, if of elements */
	/* For the command, zero in the beginning, kept from turn to turn. */
	void		*op_at;
	uint64_t	 op_pos;
	int64_t		 op_left;	/* steps to come */
	int64_t		 op_result;
	int64_t		 op_int[2];	/* those of c_ints */
	uint32_t	 op_words;	/* options given, and c_how */
	int		 op_end;	/* the first argument that is none */
	int		 op_val[4];	/* where the options' arguments are */
	size_t		 op_cost;	/* steps since the last look */
	size_t		 op_counted;	/* bytes of op_out in c_made */
	uint32_t	 op_turns;
	bool		 op_begun, op_pinned, op_done;
	bool		 op_part;	/* of a command of many keys */
	bool		 op_stop;	/* nobody wants the reply any more */
};

/*
 * What a row says of its command: a letter each.  The first six are those that
 * COMMAND shows, the others are for op.c.
 */
enum kv_flag {
	KV_W = 0x001,		/* w: writes */
	KV_R = 0x002,		/* r: reads */
	KV_OOM = 0x004,		/* m: needs memory */
	KV_ADMIN = 0x008,	/* a: for administrators */
	KV_FAST = 0x010,	/* F: fast */
	KV_STALE = 0x020,	/* t: "loading stale", as Redis calls it */
	KV_LOOK = 0x040,	/* l: a hit or a miss; so is r of a type */
	KV_MAKE = 0x080,	/* c: creates the value if there is none */
	KV_ARGS = 0x100,	/* n: its steps are the arguments from 2 on */
	KV_SUM = 0x200,		/* s: op_result is the reply, over all keys */
	KV_ANYTYPE = 0x400,	/* y: of any type, unlike the family */
	KV_EVERY = 0x800,	/* e: runs on every shard */
	KV_PARTS = 0x1000,	/* p: and the reply has op_result parts */
	KV_OK = 0x2000,		/* k: the reply is OK */
	KV_PAIRS = 0x4000,	/* d: the arguments behind the key are pairs */
	KV_ARRAY = 0x8000,	/* h: the reply is an array, a part a step */
	KV_REST = 0x10000,	/* o: what is behind the options is its own */
	KV_ALONE = 0x20000,	/* x: waits for others, even if of any type */
};

#define KV_FLAG_LETTERS	"wrmaFtlcnsyepkdhox"

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

struct kv_cmd {
	const char	*c_name;
	int		 c_arity;	/* with the name; -n: at least n */
	const char	*c_letters;
	int		 c_keys;	/* the last; -1: to the end; 0: none */
	int		 c_step;	/* arguments from one key to the next */
	void		(*c_fn)(struct kv_op *);
	const char	*c_ints;	/* "23": arguments that are integers */
	uint32_t	 c_words;	/* options, from argument c_from on */
	int		 c_from;
	const char	*(*c_first)(struct kv_op *);	/* before the options */
	const char	*(*c_parse)(struct kv_op *);	/* NULL or an error */
	void		(*c_each)(struct kv_op *);
	void		(*c_end)(struct kv_op *);	/* gives up op_at */
	kv_visit_t	 c_visit;	/* instead: of nodes of the table */
	uint32_t	 c_how;		/* op_words in the beginning */
	const struct kv_family *c_family;	/* set at the start, like: */
	unsigned int	 c_flags;
};

/* The rows of one file. */
struct kv_family {
	const char	*f_group;	/* as COMMAND DOCS calls it */
	enum kv_type	 f_type;
	struct kv_cmd	*f_rows;
	size_t		 f_nrows;
};

#define KV_FAMILY(group, type, rows)	{ group, type, rows, KV_COUNT(rows) }

/* Rows: on the key that is argument 1; on each from there on; on none. */
#define KV_ROW(name, arity, letters, last, step, fn, ...) { \
	.c_name = name, .c_arity = arity, .c_letters = letters, \
	.c_keys = last, .c_step = step, .c_fn = fn, __VA_ARGS__ }
#define KV_KEY(name, arity, letters, ...) \
	KV_ROW(name, arity, letters, 1, 1, __VA_ARGS__)
#define KV_KEYS(name, arity, letters, step, ...) \
	KV_ROW(name, arity, letters, -1, step, __VA_ARGS__)
#define KV_CONN(name, arity, letters, ...) \
	KV_ROW(name, arity, letters, 0, 0, __VA_ARGS__)

/* op.c */
extern const char kv_later[];
bool	 kv_turn_over(struct kv_db *db);
void	 kv_row_init(struct kv_cmd *cmd, const struct kv_family *f);
bool	 kv_op_turn(struct kv_db *db, struct kv_op *op);
void	 kv_op_fail(struct kv_op *op, const char *text);
const char *kv_op_read(struct kv_op *op);
const char *kv_op_count(struct kv_op *op);
const char *kv_op_when(struct kv_op *op, int arg, bool positive);
struct kv_arg *kv_op_next(struct kv_op *op);
void	 kv_op_scan(struct kv_op *op, kv_visit_t visit);
bool	 kv_clip_range(int64_t len, int64_t *startp, int64_t *endp);

/* db.c */
void	 kv_db_init(struct kv_db *db);
struct kv_ent *kv_db_find(struct kv_db *db, uint64_t hash,
	    const struct kv_arg *key);
struct kv_ent *kv_db_add(struct kv_db *db, uint64_t hash,
	    const struct kv_arg *key);
void	 kv_db_take(struct kv_db *db, struct kv_ent *e);
void	 kv_db_del(struct kv_db *db, struct kv_ent *e);
void	 kv_db_flush(struct kv_db *db);
size_t	 kv_db_sweep(struct kv_db *db, size_t max);
void	 kv_ent_clear(struct kv_db *db, struct kv_ent *e);
struct kv_obj *kv_obj_new(enum kv_type type);
void	 kv_obj_free(struct kv_db *db, struct kv_obj *obj);
void	 kv_expire_set(struct kv_db *db, struct kv_ent *e, int64_t when);
int64_t	 kv_expire_get(const struct kv_ent *e);
int64_t	 kv_expire_next(struct kv_db *db);
size_t	 kv_expire_some(struct kv_db *db, size_t max);

/* The values of each type, and commands that types share. */
struct kv_arg kv_ent_bytes(const struct kv_ent *e, char num[static KV_NUMLEN]);
void	 kv_say_value(struct kv_reply *r, const struct kv_ent *e);
void	 kv_ent_store(struct kv_db *db, struct kv_ent *e,
	    const struct kv_arg *val);
void	 kv_ent_add(struct kv_op *op, struct kv_ent *e, int64_t delta,
	    const char *no_number);
extern const size_t kv_member_keyoff;
void	 kv_zset_unlink(struct kv_obj *z, struct kv_member *m);
struct kv_node *kv_elem_find(struct kv_obj *obj, const struct kv_arg *name);
void	 kv_elem_remove(struct kv_op *op, struct kv_node *n);
void	 kv_remove_each(struct kv_op *op);
void	 kv_card(struct kv_op *op);

extern const struct kv_family kv_string_family, kv_list_family;
extern const struct kv_family kv_hash_family, kv_set_family, kv_zset_family;

#endif
