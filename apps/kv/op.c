/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A turn of a command: what all of them do, so that each only does its own.
 *
 * THEORY: a command of any length runs in turns of TURN_NS; between two turns
 * others have theirs.  The clock is looked at after KV_STEPS steps, or fewer if
 * they move many bytes (op_cost).  The first turn reads the arguments (c_ints,
 * c_words, c_parse), finds the value, checks its type and calls c_fn, which
 * replies, or says in op_left how many steps there are.  Each step (c_each,
 * c_visit) does one element or a few and takes them off op_left.  A key without
 * a value has an empty one for those who only look: all commands on elements
 * are right on that, so none asks whether there is a value.
 *
 * A command that needs several turns pins its value.  Others may read a pinned
 * value; whoever would change it, or would look at it while the pinner changes
 * it, comes again in a later turn.  So each command is atomic on its key,
 * however long it takes.  Deleting never waits: the key is gone at once, and
 * the value when its last pin is.
 *
 * INVARIANTS
 * I1 no key has a value without elements between two commands.
 */
#include "db.h"

#include <time.h>

#define TURN_NS		100000	/* of work, then others */
#define MANY_WORDS	64	/* options between two looks at the clock */
#define COST_SHIFT	13	/* bytes of an argument or a reply, a step */

/* Not an error: what a command wants is in use, it comes again. */
const char kv_later[] = "later";

/*
 * Is the shard's turn over?  It begins when this is asked for the first time
 * after db_until was set to 0, so turns that are short never ask.
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

/* Make ready a row of a family's. */
void
kv_row_init(struct kv_cmd *cmd, const struct kv_family *f)
{
	static const char letters[] = KV_FLAG_LETTERS;

	cmd->c_family = f;
	for (const char *p = cmd->c_letters; *p != '\0'; p++)
		cmd->c_flags |= 1u << (strchr(letters, *p) - letters);
	if (f->f_type != KV_ANY && (cmd->c_flags & KV_R) != 0)
		cmd->c_flags |= KV_LOOK;
}

/* Reply an error; %s in it is the command's name. */
void
kv_op_fail(struct kv_op *op, const char *text)
{
	kv_say_error(op->op_out, text, op->op_cmd->c_name);
}

/* Arguments: a key and perhaps a count of elements, op_int[0], or 1. */
const char *
kv_op_count(struct kv_op *op)
{
	op->op_int[0] = 1;
	if (op->op_argc > 3)
		return KV_E_SYNTAX;
	return op->op_argc == 2 || (kv_arg_i64(&op->op_argv[2],
	    &op->op_int[0]) && op->op_int[0] >= 0) ? NULL :
	    "ERR value is out of range, must be positive";
}

/* The time that an argument gives, as op_words say, is op_int[0] in ms. */
const char *
kv_op_when(struct kv_op *op, int arg, bool positive)
{
	bool seconds = (op->op_words & (KV_EX | KV_EXAT)) != 0;
	bool absolute = (op->op_words & (KV_EXAT | KV_PXAT)) != 0;
	int64_t t;

	if (!kv_arg_i64(&op->op_argv[arg], &t))
		return KV_E_INTEGER;
	if ((positive && t <= 0) ||
	    (seconds && __builtin_mul_overflow(t, 1000, &t)) ||
	    (!absolute && __builtin_add_overflow(t, op->op_db->db_now, &t)))
		return KV_E_WHEN;
	op->op_int[0] = t < KV_NEVER ? t : KV_NEVER - 1;
	return NULL;
}

/*
 * Indexes from start to end of len elements, negative from the end: clipped
 * to those that exist; false if there are none.
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

/* What is wrong with the arguments of an option, which stand at a; or NULL. */
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
 * Words that are options: how many arguments follow the word, the place of
 * op_val that says where these are, and the words it must not follow.  A word
 * without arguments leaves op_val alone: it may follow one that has some.  If
 * a word is repeated, its last arguments count, and all are checked.
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

/* The option that an argument is, of those allowed; or none of words[]. */
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
 * Which options are there?  op_end is the first argument that is none.  NULL,
 * or what is wrong; kv_later: there are so many that others have a turn first.
 */
static const char *
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
			wrong = kv_later;
	}
	op->op_end = i;
	return wrong;
}

/* What the arguments say, whatever the value is; NULL or an error. */
const char *
kv_op_read(struct kv_op *op)
{
	const struct kv_cmd *cmd = op->op_cmd;
	const char *wrong = NULL;

	if ((cmd->c_flags & KV_PAIRS) != 0 &&
	    (op->op_argc + (cmd->c_keys == 1)) % 2 == 0)
		return KV_E_ARITY;
	for (int i = 0; cmd->c_ints != NULL && cmd->c_ints[i] != '\0'; i++) {
		if (!kv_arg_i64(&op->op_argv[cmd->c_ints[i] - '0'],
		    &op->op_int[i]))
			return KV_E_INTEGER;
	}
	if (cmd->c_first != NULL)
		wrong = cmd->c_first(op);
	if (wrong == NULL && cmd->c_words != 0)
		wrong = read_words(op);
	if (wrong != NULL)
		return wrong;
	if (cmd->c_words != 0 && op->op_end < op->op_argc &&
	    (cmd->c_flags & KV_REST) == 0)
		return KV_E_SYNTAX;
	return cmd->c_parse != NULL ? cmd->c_parse(op) : NULL;
}

/* The next argument of a command that takes a step for each. */
struct kv_arg *
kv_op_next(struct kv_op *op)
{
	struct kv_arg *a = &op->op_argv[op->op_argc - op->op_left];

	op->op_left--;
	op->op_cost += a->a_len >> COST_SHIFT;
	return a;
}

/*
 * Visit the elements of the next bucket of a table: of the value, or the keys.
 * At the end of the table no step is left.
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

/* Find the key's value, or make it. */
static const char *
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
		return KV_E_TYPE;
	if (e != NULL && e->e_type > KV_STRING &&
	    (!any || (flags & KV_ALONE) != 0) && (e->e_obj->o_excl ||
	    (e->e_obj->o_pins > 0 && (flags & KV_W) != 0)))
		return kv_later;
	if (any || type == KV_STRING)
		return NULL;
	if (e == NULL && (flags & KV_MAKE) != 0) {
		e = kv_db_add(db, op->op_hash, &op->op_argv[1]);
		e->e_type = (uint8_t)type;
		e->e_obj = kv_obj_new(type);
	}
	op->op_obj = e != NULL ? e->e_obj : &db->db_none;
	return NULL;
}

static const char *
begin(struct kv_op *op)
{
	const struct kv_cmd *cmd = op->op_cmd;
	const char *wrong = op->op_part ? NULL : kv_op_read(op);

	if (wrong == NULL && (cmd->c_keys == 1 || cmd->c_keys == -1))
		wrong = find_value(op);
	if (wrong != NULL)
		return wrong;
	op->op_begun = true;
	if ((cmd->c_flags & KV_ARGS) != 0)
		op->op_left = op->op_argc - 2;
	if (cmd->c_fn != NULL)
		cmd->c_fn(op);
	if ((cmd->c_flags & KV_ARRAY) != 0 && !op->op_part)
		kv_say_many(op->op_out, '*', op->op_left);
	return NULL;
}

static void
pin(struct kv_op *op)
{
	if (op->op_obj == NULL || op->op_pinned)
		return;
	op->op_pinned = true;
	op->op_obj->o_pins++;
	op->op_obj->o_excl = (op->op_cmd->c_flags & KV_W) != 0;
}

/*
 * The command is done with its value: a pin goes, and so does a key whose last
 * element went (I1).
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
 * Carry out steps until none is left (true) or the turn is over.  Bytes that
 * were added to the reply count like steps.
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
 * Begin an operation or go on with it; false: it wants another turn.  If
 * op_stop says that the reply is not wanted any more, an operation that only
 * reads ends early.
 * Cpu: the shard's.
 */
bool
kv_op_turn(struct kv_db *db, struct kv_op *op)
{
	const struct kv_cmd *cmd = op->op_cmd;
	const char *wrong = NULL;

	op->op_db = db;
	if (!op->op_begun)
		wrong = begin(op);
	if (wrong == kv_later)
		return false;
	if (wrong != NULL) {
		kv_op_fail(op, wrong);
		return true;
	}
	if (op->op_stop && (cmd->c_flags & KV_W) == 0)
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
