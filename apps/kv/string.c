/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strings.
 *
 * THEORY: a string that is the one spelling of an integer is kept as that
 * integer, in the entry: no memory of its own, and INCR is an addition.  Any
 * other is a blob, overwritten in place when it fits.  A large argument has a
 * blob already and the key just takes a reference.  The fields of hashes are
 * such strings too.
 *
 * All commands that set a whole string are one, set(), with options; SETNX,
 * GETSET and the others are SET with some of them given.
 */
#include "db.h"

#include <math.h>
#include <string.h>

/* c_how: SETNX replies a number, MSET nothing; DECR subtracts. */
#define NUMBER	KV_HOW1
#define QUIET	KV_HOW2
#define DECR	KV_HOW1

/* The bytes of a string value; s_num holds those of a number. */
struct str {
	const char	*s_p;
	size_t		 s_len;
	char		 s_num[KV_NUMLEN];
};

static void
get_bytes(const struct kv_ent *e, struct str *s)
{
	if (e == NULL) {
		s->s_p = "";
		s->s_len = 0;
	} else if (e->e_type == KV_INT) {
		s->s_p = s->s_num;
		s->s_len = kv_fmt_i64(s->s_num, e->e_int);
	} else {
		s->s_p = e->e_blob->b_data;
		s->s_len = e->e_blob->b_len;
	}
}

/* Reply a string, or nil if there is no entry. */
void
kv_say_value(struct kv_reply *r, const struct kv_ent *e)
{
	if (e == NULL)
		kv_say_nil(r);
	else if (e->e_type == KV_INT)
		kv_say_number(r, e->e_int);
	else
		kv_say_blob(r, e->e_blob);
}

/* Give an entry a string. */
void
kv_ent_store(struct kv_db *db, struct kv_ent *e, const struct kv_arg *val)
{
	int64_t num;

	if (kv_arg_i64(val, &num)) {
		if (e->e_type != KV_INT)
			kv_ent_clear(db, e);
		e->e_int = num;
	} else if (e->e_type == KV_STRING && val->a_blob == NULL) {
		e->e_blob = kv_blob_set(e->e_blob, val->a_p, val->a_len);
	} else {
		kv_ent_clear(db, e);
		e->e_blob = kv_blob_arg(val);
		e->e_type = KV_STRING;
	}
}

/* Add to the number that a string is, and reply the sum, or an error. */
void
kv_ent_add(struct kv_op *op, struct kv_ent *e, int64_t delta,
    const char *no_number)
{
	int64_t val = e->e_int;

	if (e->e_type != KV_INT && !kv_parse_i64(e->e_blob->b_data,
	    e->e_blob->b_len, &val)) {
		kv_op_fail(op, no_number);
	} else if (__builtin_add_overflow(val, delta, &val)) {
		kv_op_fail(op, "ERR increment or decrement would overflow");
	} else {
		kv_ent_clear(op->op_db, e);	/* a blob: APPEND made it */
		e->e_int = val;
		kv_say_int(op->op_out, val);
	}
}

/* The command's entry, made if there is none. */
static struct kv_ent *
need_ent(struct kv_op *op)
{
	if (op->op_ent == NULL)
		op->op_ent = kv_db_add(op->op_db, op->op_hash,
		    &op->op_argv[1]);
	return op->op_ent;
}

static void
get(struct kv_op *op)
{
	struct kv_ent *e = op->op_ent;

	/* For MGET a value of another type is none. */
	kv_say_value(op->op_out, e != NULL && e->e_type <= KV_STRING ? e :
	    NULL);
}

static void
getdel(struct kv_op *op)
{
	kv_say_value(op->op_out, op->op_ent);
	if (op->op_ent != NULL)
		kv_db_del(op->op_db, op->op_ent);
}

/* The time of argument op_val[0], if an option says so, into op_int[0]. */
static enum kv_go
ttl(struct kv_op *op)
{
	int arg = op->op_val[0];

	op->op_int[0] = KV_NEVER;
	if ((op->op_words & KV_TTL) == 0)
		return KV_GO;
	if (!kv_op_int(op, arg, &op->op_int[0]))
		return KV_DONE;
	if (op->op_int[0] > 0)
		return kv_expire_parse(op, arg, &op->op_int[0]);
	kv_say_error(op->op_out, KV_E_WHEN, op->op_cmd->c_name);
	return KV_DONE;
}

static enum kv_go
set_parse(struct kv_op *op)
{
	if (op->op_end < op->op_argc ||
	    (op->op_words & (KV_NX | KV_XX)) == (KV_NX | KV_XX))
		return kv_op_fail(op, KV_E_SYNTAX);
	return ttl(op);
}

/* SETEX and PSETEX: the time is argument 2. */
static enum kv_go
setex_parse(struct kv_op *op)
{
	op->op_val[0] = 2;
	return ttl(op);
}

static void
set(struct kv_op *op)
{
	uint32_t o = op->op_words;
	struct kv_reply *r = op->op_out;
	struct kv_ent *e = op->op_ent;

	if ((o & KV_GET) != 0) {
		if (e != NULL && e->e_type > KV_STRING) {
			kv_op_fail(op, KV_E_TYPE);
			return;
		}
		kv_say_value(r, e);
	}
	if ((o & (e != NULL ? KV_NX : KV_XX)) != 0) {
		if ((o & NUMBER) != 0)
			kv_say_int(r, 0);
		else if ((o & KV_GET) == 0)
			kv_say_nil(r);
		return;
	}
	e = need_ent(op);
	kv_ent_store(op->op_db, e, &op->op_argv[op->op_val[0] == 2 ? 3 : 2]);
	if ((o & KV_KEEPTTL) == 0 && (e->e_timer != 0 || (o & KV_TTL) != 0))
		kv_expire_set(op->op_db, e, (o & KV_TTL) != 0 ? op->op_int[0] :
		    KV_NEVER);
	if ((o & NUMBER) != 0)
		kv_say_int(r, 1);
	else if ((o & (KV_GET | QUIET)) == 0)
		kv_say_ok(r);
}

static enum kv_go
getex_parse(struct kv_op *op)
{
	return op->op_end < op->op_argc ? kv_op_fail(op, KV_E_SYNTAX) : KV_GO;
}

static void
getex(struct kv_op *op)
{
	struct kv_ent *e = op->op_ent;

	if (e != NULL && ttl(op) != KV_GO)
		return;
	kv_say_value(op->op_out, e);
	if (e != NULL && (op->op_words & (KV_TTL | KV_PERSIST)) != 0)
		kv_expire_set(op->op_db, e, op->op_int[0]);
}

static enum kv_go
decrby_parse(struct kv_op *op)
{
	if (op->op_int[0] == INT64_MIN)
		return kv_op_fail(op, "ERR decrement would overflow");
	op->op_int[0] = -op->op_int[0];
	return KV_GO;
}

/* INCR 1, DECR -1, INCRBY and DECRBY what argument 2 says. */
static void
incr(struct kv_op *op)
{
	if (op->op_argc == 2)
		op->op_int[0] = op->op_words != 0 ? -1 : 1;
	kv_ent_add(op, need_ent(op), op->op_int[0], KV_E_INTEGER);
}

static void
incrbyfloat(struct kv_op *op)
{
	const struct kv_arg *a = &op->op_argv[2];
	long double val = 0, delta;
	char buf[KV_FLOATLEN];
	struct str s;

	get_bytes(op->op_ent, &s);
	if ((op->op_ent != NULL && !kv_parse_ldouble(s.s_p, s.s_len, &val)) ||
	    !kv_parse_ldouble(a->a_p, a->a_len, &delta)) {
		kv_op_fail(op, KV_E_FLOAT);
		return;
	}
	val += delta;
	if (isnan(val) || isinf(val)) {
		kv_op_fail(op,
		    "ERR increment would produce NaN or Infinity");
		return;
	}
	s.s_len = kv_fmt_ldouble(buf, val);
	kv_ent_store(op->op_db, need_ent(op),
	    &(struct kv_arg){ buf, s.s_len, NULL });
	kv_say_bulk(op->op_out, buf, s.s_len);
}

/*
 * Write an argument into the string, from byte off on; what is between its
 * old end and off becomes zero.  Growing by half makes appending linear.
 */
static void
write_at(struct kv_op *op, uint64_t off, const struct kv_arg *a)
{
	size_t end = off + a->a_len;
	struct kv_ent *e = op->op_ent;
	struct kv_blob *b;
	struct str s;

	if (end > KV_MAXBULK) {
		kv_op_fail(op, "ERR string exceeds maximum allowed size "
		    "(proto-max-bulk-len)");
		return;
	}
	if (e != NULL && e->e_type == KV_STRING) {
		b = kv_blob_room(e->e_blob,
		    end > e->e_blob->b_cap ? end + end / 2 : end);
	} else {
		get_bytes(e, &s);
		e = need_ent(op);
		b = kv_blob_new(s.s_p, s.s_len,
		    end > s.s_len ? end : s.s_len);
	}
	e->e_type = KV_STRING;
	e->e_blob = b;
	if (end > b->b_len) {
		memset(b->b_data + b->b_len, 0, end - b->b_len);
		b->b_len = (uint32_t)end;
	}
	memcpy(b->b_data + off, a->a_p, a->a_len);
	kv_say_int(op->op_out, b->b_len);
}

static void
append(struct kv_op *op)
{
	const struct kv_arg *a = &op->op_argv[2];
	struct str s;

	get_bytes(op->op_ent, &s);
	if (op->op_ent != NULL) {
		write_at(op, s.s_len, a);
		return;
	}
	kv_ent_store(op->op_db, need_ent(op), a);
	kv_say_int(op->op_out, (int64_t)a->a_len);
}

static void
length(struct kv_op *op)
{
	struct str s;

	get_bytes(op->op_ent, &s);
	kv_say_int(op->op_out, (int64_t)s.s_len);
}

static void
getrange(struct kv_op *op)
{
	int64_t start = op->op_int[0], end = op->op_int[1], len;
	struct str s;

	get_bytes(op->op_ent, &s);
	len = (int64_t)s.s_len;
	if (end < -len && !(start < 0 && start > end))
		end = -len;		/* Redis takes the first byte then */
	if (!kv_clip_range(len, &start, &end))
		kv_say_bulk(op->op_out, "", 0);
	else if (end - start + 1 == len && op->op_ent->e_type == KV_STRING)
		kv_say_blob(op->op_out, op->op_ent->e_blob);
	else
		kv_say_bulk(op->op_out, s.s_p + start,
		    (size_t)(end - start + 1));
}

static enum kv_go
setrange_parse(struct kv_op *op)
{
	if (op->op_int[0] < 0)
		return kv_op_fail(op, "ERR offset is out of range");
	return KV_GO;
}

static void
setrange(struct kv_op *op)
{
	const struct kv_arg *a = &op->op_argv[3];

	if (a->a_len == 0)
		length(op);
	else
		write_at(op, (uint64_t)op->op_int[0], a);
}

static struct kv_cmd rows[] = {
	KV_KEY("get", 2, "rF", get, "1.0.0", "The value of a key"),
	KV_KEY("set", -3, "wmy", set, "1.0.0", "Set the value of a key",
	    .c_words = KV_NX | KV_XX | KV_GET | KV_KEEPTTL | KV_TTL,
	    .c_from = 3, .c_parse = set_parse),
	KV_KEY("setnx", 3, "wmFy", set, "1.0.0",
	    "Set the value of a key that does not exist",
	    .c_how = KV_NX | NUMBER),
	KV_KEY("setex", 4, "wmy", set, "2.0.0",
	    "Set the value and the time to live in seconds",
	    .c_parse = setex_parse, .c_how = KV_EX),
	KV_KEY("psetex", 4, "wmy", set, "2.6.0",
	    "Set the value and the time to live in milliseconds",
	    .c_parse = setex_parse, .c_how = KV_PX),
	KV_KEY("getset", 3, "wmF", set, "1.0.0",
	    "Set the value and return the old one", .c_how = KV_GET),
	KV_KEY("getdel", 2, "wFl", getdel, "6.2.0",
	    "Return the value and delete the key"),
	KV_KEY("getex", -2, "wFl", getex, "6.2.0",
	    "Return the value and set when the key ends",
	    .c_words = KV_PERSIST | KV_TTL, .c_from = 2,
	    .c_parse = getex_parse),
	KV_KEYS("mget", -2, "rFyh", 1, get, "1.0.0",
	    "The values of several keys"),
	KV_KEYS("mset", -3, "wmykd", 2, set, "1.0.1",
	    "Set several keys, one after the other", .c_how = QUIET),
	KV_KEY("incr", 2, "wmF", incr, "1.0.0", "Add one to a number"),
	KV_KEY("decr", 2, "wmF", incr, "1.0.0", "Subtract one from a number",
	    .c_how = DECR),
	KV_KEY("incrby", 3, "wmF", incr, "1.0.0", "Add to a number",
	    .c_ints = "2"),
	KV_KEY("decrby", 3, "wmF", incr, "1.0.0", "Subtract from a number",
	    .c_ints = "2", .c_parse = decrby_parse),
	KV_KEY("incrbyfloat", 3, "wmF", incrbyfloat, "2.6.0",
	    "Add to a floating point number"),
	KV_KEY("append", 3, "wmF", append, "2.0.0", "Append to a string"),
	KV_KEY("strlen", 2, "rF", length, "2.2.0", "The length of a string"),
	KV_KEY("getrange", 4, "r", getrange, "2.4.0", "A part of a string",
	    .c_ints = "23"),
	KV_KEY("setrange", 4, "wm", setrange, "2.2.0",
	    "Overwrite a part of a string", .c_ints = "2",
	    .c_parse = setrange_parse),
};

const struct kv_family kv_string_family = KV_FAMILY("string", KV_STRING, rows);
