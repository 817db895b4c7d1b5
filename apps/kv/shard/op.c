/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A turn of a command: what all commands have in common.
 *
 * THEORY: a command of any length runs in turns of TURN_NS.  Between two turns
 * other threads have theirs.  The clock is read after KV_STEPS steps, or after
 * fewer if they move many bytes (op_cost).  The first turn reads the arguments
 * (c_ints, c_first, c_words, c_parse), finds the value, checks its type and
 * calls c_fn, which replies, or stores in op_left how many steps are needed.
 * Each step (c_each, c_visit) handles one element or a few, and subtracts them
 * from op_left.  For a key without a value, a command that does not create one
 * gets an empty object (db_none).  All commands on elements give the right
 * reply for that, so none checks whether there is a value.
 *
 * A command that needs several turns pins its value.  Other commands may read a
 * pinned value.  A command that would change it, or that would read it while
 * the pinning command changes it, is tried again in a later turn (KV_LATER).
 * So each command is atomic on its key, however long it takes.  A command on
 * keys of any type (DEL, SET, EXPIRE) never waits, except RENAME (KV_ALONE): if
 * it deletes the key, the key is removed at once, the value with its last pin.
 *
 * INVARIANTS
 * OP1 Between two commands, no key has a value without elements.
 */
#include "shard/op.h"

#include <time.h>

#define TURN_NS		100000	/* ns of work before others have a turn */
#define MANY_WORDS	64	/* options between two reads of the clock */
#define COST_SHIFT	13	/* 8 KB of an argument or a reply: a step */

/*
 * Return whether the shard's turn is over.  The turn is timed from the first
 * call after db_until was set to 0.  So a short turn never reads the clock.
 */
bool
kv_turn_over(struct kv_db *db)
{
	struct timespec ts;
	int64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = ts.tv_sec * 1000000000 + ts.tv_nsec;
	if (db->db_until == 0)
		db->db_until = now + TURN_NS;
	return now >= db->db_until;
}

/* Initialize a row of a family. */
void
kv_row_init(struct kv_cmd *cmd, const struct kv_family *f)
{
	cmd->c_family = f;
	if (f->f_type != KV_ANY && (cmd->c_flags & KV_READ) != 0)
		cmd->c_flags |= KV_LOOK;
}

/* Reply an error; %s in it is the command's name. */
enum kv_ready
kv_op_fail(struct kv_op *op, const char *text)
{
	kv_say_error(op->op_out, text, op->op_cmd->c_name);
	return KV_FAILED;
}

/* Read a count of elements after the key, op_int[0]; without one, it is 1. */
enum kv_ready
kv_op_count(struct kv_op *op)
{
	op->op_int[0] = 1;
	if (op->op_argc > 3)
		return kv_op_fail(op, KV_E_SYNTAX);
	if (op->op_argc == 3 && (!kv_arg_i64(&op->op_argv[2],
	    &op->op_int[0]) || op->op_int[0] < 0))
		return kv_op_fail(op, "ERR value is out of range, must be "
		    "positive");
	return KV_READY;
}

/* Read the time that an argument gives, as op_words say; op_int[0], in ms. */
enum kv_ready
kv_op_when(struct kv_op *op, int arg, bool positive)
{
	bool seconds = (op->op_words & (KV_EX | KV_EXAT)) != 0;
	bool absolute = (op->op_words & (KV_EXAT | KV_PXAT)) != 0;
	int64_t t;

	if (!kv_arg_i64(&op->op_argv[arg], &t))
		return kv_op_fail(op, KV_E_INTEGER);
	if ((positive && t <= 0) ||
	    (seconds && __builtin_mul_overflow(t, 1000, &t)) ||
	    (!absolute && __builtin_add_overflow(t, op->op_db->db_now, &t)))
		return kv_op_fail(op, KV_E_WHEN);
	op->op_int[0] = t < KV_NEVER ? t : KV_NEVER - 1;
	return KV_READY;
}

/*
 * Clip a range of indexes, of which negative ones count from the end, to the
 * len elements that exist; false if it has none of them.
 */
bool
kv_clip_range(int64_t len, int64_t *startp, int64_t *endp)
{
	if (*startp < 0)
		*startp = *startp < -len ? 0 : *startp + len;
	if (*endp < 0)
		*endp = *endp < -len ? -1 : *endp + len;
	if (*endp >= len)
		*endp = len - 1;
	return *startp <= *endp;
}

/* Return what is wrong with the arguments of an option, at a; or NULL. */
static const char *
check_limit(const struct kv_arg *a)
{
	int64_t n;

	return kv_arg_i64(&a[0], &n) && kv_arg_i64(&a[1], &n) ? NULL :
	    KV_E_INTEGER;
}

static const char *
check_count(const struct kv_arg *a)
{
	int64_t n;

	return !kv_arg_i64(a, &n) ? KV_E_INTEGER : n < 1 ? KV_E_SYNTAX : NULL;
}

static const char *
check_id(const struct kv_arg *a)
{
	int64_t n;

	return kv_arg_i64(a, &n) && n > 0 ? NULL :
	    "ERR client-id should be greater than 0";
}

static const char *
check_skipme(const struct kv_arg *a)
{
	return kv_arg_is(a, "yes") || kv_arg_is(a, "no") ? NULL : KV_E_SYNTAX;
}

#define OTHER_TTL(own)	((KV_TTL & ~own) | KV_KEEPTTL | KV_PERSIST)

/*
 * Words that are options: how many arguments follow the word, the place in
 * op_val that says where they are, and the words that it must not follow.  A
 * word without arguments does not change op_val: it may follow a word that has
 * some.  If a word is repeated, its last arguments count, and all are checked.
 */
static const struct {
	const char	*name;
	int		 args, val;
	uint32_t	 not;
	const char	*(*check)(const struct kv_arg *);
} words[] = {
	{ "nx", 0, 0, 0, NULL }, { "xx", 0, 0, 0, NULL },
	{ "gt", 0, 0, 0, NULL }, { "lt", 0, 0, 0, NULL },
	{ "ch", 0, 0, 0, NULL }, { "incr", 0, 0, 0, NULL },
	{ "get", 0, 0, 0, NULL }, { "keepttl", 0, 0, KV_TTL, NULL },
	{ "persist", 0, 0, KV_TTL, NULL },
	{ "ex", 1, 0, OTHER_TTL(KV_EX), NULL },
	{ "px", 1, 0, OTHER_TTL(KV_PX), NULL },
	{ "exat", 1, 0, OTHER_TTL(KV_EXAT), NULL },
	{ "pxat", 1, 0, OTHER_TTL(KV_PXAT), NULL },
	{ "byscore", 0, 0, KV_BYSCORE | KV_BYLEX, NULL },
	{ "bylex", 0, 0, KV_BYSCORE | KV_BYLEX, NULL },
	{ "rev", 0, 0, KV_REV, NULL }, { "withscores", 0, 0, 0, NULL },
	{ "limit", 2, 0, 0, check_limit }, { "match", 1, 0, 0, NULL },
	{ "type", 1, 1, 0, NULL }, { "count", 1, 2, 0, check_count },
	{ "id", 1, 0, 0, check_id }, { "addr", 1, 1, 0, NULL },
	{ "laddr", 1, 2, 0, NULL }, { "skipme", 1, 3, 0, check_skipme },
};

/* Return which option of those allowed an argument is; or KV_COUNT(words). */
static size_t
find_word(const struct kv_arg *a, uint32_t allowed)
{
	for (; allowed != 0; allowed &= allowed - 1) {
		size_t w = (size_t)__builtin_ctz(allowed);

		if (kv_arg_is(a, words[w].name))
			return w;
	}
	return KV_COUNT(words);
}

/*
 * Read the options; op_end is the first argument that is no option.  KV_LATER:
 * there are so many that other threads have a turn first.
 */
static enum kv_ready
read_words(struct kv_op *op)
{
	int i = op->op_end != 0 ? op->op_end : op->op_cmd->c_from, n;
	const struct kv_arg *argv = op->op_argv;
	const char *wrong = NULL;

	for (n = 1; i < op->op_argc && wrong == NULL; n++) {
		size_t w = find_word(&argv[i], op->op_cmd->c_words);

		if (w == KV_COUNT(words) || i + words[w].args >= op->op_argc ||
		    (op->op_words & words[w].not) != 0)
			break;
		op->op_words |= 1u << w;
		if (words[w].args > 0)
			op->op_val[words[w].val] = i + 1;
		if (words[w].check != NULL)
			wrong = words[w].check(&argv[i + 1]);
		i += 1 + words[w].args;
		op->op_end = i;
		if (wrong == NULL && n % MANY_WORDS == 0 &&
		    kv_turn_over(op->op_db))
			return KV_LATER;
	}
	op->op_end = i;
	return kv_op_check(op, wrong);
}

/* Read what the arguments say, whatever the value is. */
enum kv_ready
kv_op_read(struct kv_op *op)
{
	const struct kv_cmd *cmd = op->op_cmd;
	enum kv_ready ready = KV_READY;

	if ((cmd->c_flags & KV_PAIRS) != 0 &&
	    (op->op_argc + (cmd->c_keys == 1)) % 2 == 0)
		return kv_op_fail(op, KV_E_ARITY);
	for (int i = 0; i < KV_NINTS && cmd->c_ints[i] != 0; i++) {
		if (!kv_arg_i64(&op->op_argv[cmd->c_ints[i]], &op->op_int[i]))
			return kv_op_fail(op, KV_E_INTEGER);
	}
	if (cmd->c_first != NULL)
		ready = cmd->c_first(op);
	if (ready == KV_READY && cmd->c_words != 0)
		ready = read_words(op);
	if (ready != KV_READY)
		return ready;
	if (cmd->c_words != 0 && op->op_end < op->op_argc &&
	    (cmd->c_flags & KV_REST) == 0)
		return kv_op_fail(op, KV_E_SYNTAX);
	return cmd->c_parse != NULL ? cmd->c_parse(op) : KV_READY;
}

/* Take the next argument, in a command that has a step for each argument. */
struct kv_arg *
kv_op_next(struct kv_op *op)
{
	struct kv_arg *a = &op->op_argv[op->op_argc - op->op_left];

	op->op_left--;
	op->op_cost += a->a_len >> COST_SHIFT;
	return a;
}

/*
 * Visit the elements of the next bucket of a table, of the value or of the
 * keys.  At the end of the table no step is left.
 */
void
kv_op_scan(struct kv_op *op, kv_visit_t visit)
{
	struct kv_obj *obj = op->op_obj != NULL ? op->op_obj :
	    op->op_db->db_keys;

	op->op_pos = kv_dict_scan(&obj->o_dict, op->op_pos, visit, op);
	if (op->op_pos == 0)
		op->op_left = 0;
}

/* Find or make the key's value.  KV_LATER: another command has pinned it. */
static enum kv_ready
find_value(struct kv_op *op)
{
	unsigned int flags = op->op_cmd->c_flags;
	enum kv_type type = op->op_cmd->c_family->f_type;
	bool any = type == KV_ANY || (flags & KV_ANYTYPE) != 0;
	struct kv_db *db = op->op_db;
	struct kv_ent *e = kv_db_find(db, op->op_hash, &op->op_argv[1]);

	op->op_ent = e;
	if ((flags & KV_LOOK) != 0)
		db->db_count[e != NULL ? KV_N_HITS : KV_N_MISSES]++;
	if (e != NULL && !any && e->e_type != type &&
	    !(e->e_type == KV_INT && type == KV_STRING))
		return kv_op_fail(op, KV_E_TYPE);
	if (e != NULL && e->e_type > KV_STRING &&
	    (!any || (flags & KV_ALONE) != 0) && (e->e_obj->o_excl ||
	    (e->e_obj->o_pins > 0 && (flags & KV_WRITE) != 0)))
		return KV_LATER;
	if (any || type == KV_STRING)
		return KV_READY;
	if (e == NULL && (flags & KV_MAKE) != 0) {
		e = kv_db_add(db, op->op_hash, &op->op_argv[1]);
		e->e_type = (uint8_t)type;
		e->e_obj = kv_obj_new(type);
	}
	op->op_obj = e != NULL ? e->e_obj : &db->db_none;
	return KV_READY;
}

/* Begin an operation, unless it must wait or an argument is wrong. */
static enum kv_ready
begin(struct kv_op *op)
{
	const struct kv_cmd *cmd = op->op_cmd;
	enum kv_ready ready = op->op_part ? KV_READY : kv_op_read(op);

	if (ready == KV_READY && (cmd->c_keys == 1 || cmd->c_keys == -1))
		ready = find_value(op);
	if (ready != KV_READY)
		return ready;
	op->op_begun = true;
	if ((cmd->c_flags & KV_ARGS) != 0)
		op->op_left = op->op_argc - 2;
	if (cmd->c_fn != NULL)
		cmd->c_fn(op);
	if ((cmd->c_flags & KV_ARRAY) != 0 && !op->op_part)
		kv_say_many(op->op_out, '*', op->op_left);
	return KV_READY;
}

/* Pin the value, as the operation needs another turn. */
static void
pin(struct kv_op *op)
{
	if (op->op_obj == NULL || op->op_pinned)
		return;
	op->op_pinned = true;
	op->op_obj->o_pins++;
	op->op_obj->o_excl = (op->op_cmd->c_flags & KV_WRITE) != 0;
}

/*
 * Unpin the value of a command that is over, and delete the key if its last
 * element is gone (OP1).
 */
static void
end(struct kv_op *op)
{
	struct kv_obj *obj = op->op_obj;
	struct kv_db *db = op->op_db;
	struct kv_ent *e;

	if (op->op_pinned) {
		obj->o_pins--;
		obj->o_excl = false;
		if (obj->o_dead && obj->o_pins == 0) {
			kv_obj_free(db, obj);
			return;
		}
	}
	if (obj->o_dict.d_count > 0 || obj->o_dead || obj == &db->db_none)
		return;
	e = kv_db_find(db, op->op_hash, &op->op_argv[1]);
	if (e != NULL && e->e_type == obj->o_type && e->e_obj == obj)
		kv_db_del(db, e);
}

/*
 * Run steps until the turn is over.  Returns true if no step is left.  Bytes
 * that were added to the reply count as steps.
 */
static bool
run_steps(struct kv_op *op)
{
	const struct kv_cmd *cmd = op->op_cmd;
	size_t memory;

	for (op->op_cost = 1; op->op_left > 0; op->op_cost++) {
		if (op->op_cost > KV_STEPS) {
			if (kv_turn_over(op->op_db))
				return false;
			op->op_cost = 1;
		}
		memory = op->op_out->r_memory;
		if (cmd->c_each != NULL)
			cmd->c_each(op);
		else
			kv_op_scan(op, cmd->c_visit);
		op->op_cost += (op->op_out->r_memory - memory) >> COST_SHIFT;
	}
	return true;
}

/*
 * Begin an operation or continue it.  Returns false if it needs another turn.
 * If the reply is not wanted any more (op_stop), an operation that only reads
 * ends early.
 * CPU: the shard's.
 */
bool
kv_op_turn(struct kv_db *db, struct kv_op *op)
{
	const struct kv_cmd *cmd = op->op_cmd;
	enum kv_ready ready = KV_READY;

	op->op_db = db;
	if (!op->op_begun)
		ready = begin(op);
	if (ready != KV_READY)
		return ready == KV_FAILED;
	if (op->op_stop && (cmd->c_flags & KV_WRITE) == 0)
		op->op_left = 0;
	if (!run_steps(op)) {
		pin(op);
		return false;
	}
	if (cmd->c_end != NULL)
		cmd->c_end(op);
	if ((cmd->c_flags & KV_SUM) != 0 && !op->op_part)
		kv_say_int(op->op_out, op->op_result);
	if (op->op_obj != NULL)
		end(op);
	return true;
}
