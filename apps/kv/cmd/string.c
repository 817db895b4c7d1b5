/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strings.
 *
 * THEORY: a string that is the one spelling of an integer is kept as that
 * integer, in the entry: it has no memory of its own, and INCR is an addition.
 * Any other string is a blob, overwritten in place if the new bytes fit and
 * waste little of it.  A large argument has a blob already, to which the key
 * takes a reference.  The values of the fields of hashes and the elements of
 * lists are such strings, too.
 *
 * One function, set(), implements all commands that set a whole string, and
 * get() all that get one.  SETNX, GETSET and the others are SET with options.
 */
#include "cmd/value.h"

#include <math.h>
#include <stdio.h>
#include <sys/mman.h>

#define ZERO_PAGES	(1u << 20)	/* bytes, for which fresh pages pay */

/* c_how: SETNX replies a number, MSET nothing; DECR, and GETDEL. */
#define NUMBER	KV_HOW1
#define QUIET	KV_HOW2
#define DECR	KV_HOW1
#define DEL	KV_HOW1

/* Return the bytes of a string, a number's in num; none without an entry. */
struct kv_arg
kv_ent_bytes(const struct kv_ent *e, char num[static KV_NUMLEN])
{
	if (e == NULL)
		return (struct kv_arg){ .a_p = num };
	if (e->e_type == KV_INT)
		return (struct kv_arg){ num, kv_fmt_i64(num, e->e_int), NULL };
	return (struct kv_arg){ e->e_blob->b_data, e->e_blob->b_len, NULL };
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

/* Set the string of an entry; reuse its old blob if that wastes little. */
void
kv_ent_store(struct kv_db *db, struct kv_ent *e, const struct kv_arg *val)
{
	int64_t num;

	if (kv_arg_i64(val, &num)) {
		kv_ent_clear(db, e);
		e->e_int = num;
	} else if (e->e_type == KV_STRING && val->a_blob == NULL &&
	    val->a_len <= e->e_blob->b_cap &&
	    val->a_len >= e->e_blob->b_cap / 4) {
		e->e_blob = kv_blob_room(e->e_blob, val->a_len);
		memcpy(e->e_blob->b_data, val->a_p, val->a_len);
		e->e_blob->b_len = (uint32_t)val->a_len;
	} else {
		kv_ent_clear(db, e);
		e->e_blob = kv_blob_arg(val);
		e->e_type = KV_STRING;
	}
}

/* Add to a string that is a number, and reply the sum, or an error. */
void
kv_ent_add(struct kv_op *op, struct kv_ent *e, int64_t delta,
    const char *no_number)
{
	int64_t val = e->e_int;

	if (e->e_type != KV_INT && !kv_arg_i64(&(struct kv_arg){
	    .a_p = e->e_blob->b_data, .a_len = e->e_blob->b_len }, &val)) {
		kv_op_fail(op, no_number);
	} else if (__builtin_add_overflow(val, delta, &val)) {
		kv_op_fail(op, "ERR increment or decrement would overflow");
	} else {
		kv_ent_clear(op->op_db, e);	/* a blob: APPEND made it */
		e->e_int = val;
		kv_say_int(op->op_out, val);
	}
}

/* Return the command's entry; make one if there is none. */
static struct kv_ent *
need_ent(struct kv_op *op)
{
	if (op->op_ent == NULL)
		op->op_ent = kv_db_add(op->op_db, op->op_hash,
		    &op->op_argv[1]);
	return op->op_ent;
}

/* Read the time from an option, if there is one; for SETEX, from argument 2. */
static enum kv_ready
ttl(struct kv_op *op)
{
	op->op_int[0] = KV_NEVER;
	if ((op->op_words & KV_TTL) == 0)
		return KV_READY;
	return kv_op_when(op, op->op_val[0] != 0 ? op->op_val[0] : 2, true);
}

/* GET, MGET, GETDEL and GETEX, whose time is read only if there is a key. */
static void
get(struct kv_op *op)
{
	struct kv_ent *e = op->op_ent;

	if (e != NULL && ttl(op) == KV_FAILED)
		return;
	/* For MGET a value of another type is none. */
	kv_say_value(op->op_out, e != NULL && e->e_type <= KV_STRING ? e :
	    NULL);
	if (e != NULL && (op->op_words & DEL) != 0)
		kv_db_del(op->op_db, e);
	else if (e != NULL && (op->op_words & (KV_TTL | KV_PERSIST)) != 0)
		kv_expire_set(op->op_db, e, op->op_int[0]);
}

/* Check the options of SET. */
static enum kv_ready
set_parse(struct kv_op *op)
{
	return (op->op_words & (KV_NX | KV_XX)) == (KV_NX | KV_XX) ?
	    kv_op_fail(op, KV_E_SYNTAX) : ttl(op);
}

/* SET, SETNX, SETEX, PSETEX, GETSET and MSET */
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
	kv_ent_store(op->op_db, e, &op->op_argv[op->op_cmd->c_words != 0 ? 2 :
	    op->op_argc - 1]);
	if ((o & KV_KEEPTTL) == 0 && (e->e_timer != NULL || (o & KV_TTL) != 0))
		kv_expire_set(op->op_db, e, (o & KV_TTL) != 0 ? op->op_int[0] :
		    KV_NEVER);
	if ((o & NUMBER) != 0)
		kv_say_int(r, 1);
	else if ((o & (KV_GET | QUIET)) == 0)
		kv_say_ok(r);
}

/* Check the integer of DECRBY or SETRANGE. */
static enum kv_ready
int_parse(struct kv_op *op)
{
	if (op->op_argc == 4 && op->op_int[0] < 0)
		return kv_op_fail(op, "ERR offset is out of range");
	if (op->op_argc != 4 && op->op_int[0] == INT64_MIN)
		return kv_op_fail(op, "ERR decrement would overflow");
	return KV_READY;
}

/* INCR adds 1, INCRBY argument 2; DECR and DECRBY subtract it. */
static void
incr(struct kv_op *op)
{
	int64_t delta = op->op_argc == 2 ? 1 : op->op_int[0];

	kv_ent_add(op, need_ent(op), op->op_words == DECR ? -delta : delta,
	    KV_E_INTEGER);
}

/* Write a sum with 17 decimals, but without zeros at their end. */
static size_t
format_sum(char buf[static KV_FLOATLEN], long double val)
{
	size_t n = (size_t)snprintf(buf, KV_FLOATLEN, "%.17Lf", val);

	while (buf[n - 1] == '0')
		n--;
	if (buf[n - 1] == '.')
		n--;
	if (n == 2 && memcmp(buf, "-0", 2) == 0)
		buf[--n - 1] = '0';
	return n;
}

/* INCRBYFLOAT */
static void
incrbyfloat(struct kv_op *op)
{
	char buf[KV_FLOATLEN], num[KV_NUMLEN];
	struct kv_arg old = kv_ent_bytes(op->op_ent, num);
	struct kv_arg sum = { .a_p = buf };
	long double val = 0, delta;

	if ((op->op_ent != NULL && !kv_arg_ldouble(&old, &val)) ||
	    !kv_arg_ldouble(&op->op_argv[2], &delta)) {
		kv_op_fail(op, KV_E_FLOAT);
	} else if (val += delta, isnan(val) || isinf(val)) {
		kv_op_fail(op,
		    "ERR increment would produce NaN or Infinity");
	} else {
		sum.a_len = format_sum(buf, val);
		kv_ent_store(op->op_db, need_ent(op), &sum);
		kv_say_bulk(op->op_out, buf, sum.a_len);
	}
}

/*
 * Make bytes zero.  If there are many, their whole pages are given back to
 * Linux, which provides zero pages when they are touched.  So pages that are
 * never touched cost nothing.
 */
static void
zero(char *p, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t front = -(uintptr_t)p % page, whole;

	if (len >= ZERO_PAGES) {
		whole = (len - front) / page * page;
		if (madvise(p + front, whole, MADV_DONTNEED) == 0) {
			memset(p, 0, front);
			p += front + whole;
			len -= front + whole;
		}
	}
	memset(p, 0, len);
}

/*
 * Write an argument into the string, from byte off on; bytes between its old
 * end and off become zero.  The room grows by half, so n appends cost O(n).
 */
static void
write_at(struct kv_op *op, uint64_t off, const struct kv_arg *a)
{
	size_t end = off + a->a_len;
	struct kv_ent *e = op->op_ent;
	char num[KV_NUMLEN];
	struct kv_arg old;
	struct kv_blob *b;

	if (end > KV_MAXBULK) {
		kv_op_fail(op, "ERR string exceeds maximum allowed size "
		    "(proto-max-bulk-len)");
		return;
	}
	if (e != NULL && e->e_type == KV_STRING) {
		b = kv_blob_room(e->e_blob,
		    end > e->e_blob->b_cap ? end + end / 2 : end);
	} else {
		old = kv_ent_bytes(e, num);
		e = need_ent(op);
		b = kv_blob_new(old.a_p, old.a_len,
		    end > old.a_len ? end : old.a_len);
	}
	e->e_type = KV_STRING;
	e->e_blob = b;
	if (end > b->b_len) {
		if (off > b->b_len)
			zero(b->b_data + b->b_len, off - b->b_len);
		b->b_len = (uint32_t)end;
	}
	memcpy(b->b_data + off, a->a_p, a->a_len);
	kv_say_int(op->op_out, b->b_len);
}

/* APPEND: write after the end.  SETRANGE: write from byte op_int[0] on. */
static void
append(struct kv_op *op)
{
	const struct kv_arg *a = &op->op_argv[2];
	char num[KV_NUMLEN];

	if (op->op_ent != NULL) {
		write_at(op, kv_ent_bytes(op->op_ent, num).a_len, a);
	} else {
		kv_ent_store(op->op_db, need_ent(op), a);
		kv_say_int(op->op_out, (int64_t)a->a_len);
	}
}

/* STRLEN */
static void
length(struct kv_op *op)
{
	char num[KV_NUMLEN];

	kv_say_int(op->op_out, (int64_t)kv_ent_bytes(op->op_ent, num).a_len);
}

/* SETRANGE */
static void
setrange(struct kv_op *op)
{
	if (op->op_argv[3].a_len == 0)
		length(op);
	else
		write_at(op, (uint64_t)op->op_int[0], &op->op_argv[3]);
}

/* GETRANGE */
static void
getrange(struct kv_op *op)
{
	int64_t start = op->op_int[0], end = op->op_int[1], len;
	char num[KV_NUMLEN];
	struct kv_arg s = kv_ent_bytes(op->op_ent, num);

	len = (int64_t)s.a_len;
	if (end < -len && !(start < 0 && start > end))
		end = -len;		/* Redis takes the first byte then */
	if (!kv_clip_range(len, &start, &end))
		kv_say_bulk(op->op_out, "", 0);
	else if (op->op_ent->e_type == KV_STRING)
		kv_say_part(op->op_out, op->op_ent->e_blob, (size_t)start,
		    (size_t)(end - start + 1));
	else
		kv_say_bulk(op->op_out, s.a_p + start,
		    (size_t)(end - start + 1));
}

static struct kv_cmd rows[] = {
	KV_KEY("get", 2, KV_READ | KV_FAST, get),
	KV_KEYS("mget", -2, KV_READ | KV_FAST | KV_ANYTYPE | KV_ARRAY, 1,
	    get),
	KV_KEY("getdel", 2, KV_WRITE | KV_FAST | KV_LOOK, get, .c_how = DEL),
	KV_KEY("getex", -2, KV_WRITE | KV_FAST | KV_LOOK, get,
	    .c_words = KV_PERSIST | KV_TTL, .c_from = 2),
	KV_KEY("set", -3, KV_WRITE | KV_DENYOOM | KV_ANYTYPE, set,
	    .c_parse = set_parse, .c_from = 3, .c_words = KV_NX | KV_XX |
	    KV_GET | KV_KEEPTTL | KV_TTL),
	KV_KEY("setnx", 3, KV_WRITE | KV_DENYOOM | KV_FAST | KV_ANYTYPE, set,
	    .c_how = KV_NX | NUMBER),
	KV_KEY("setex", 4, KV_WRITE | KV_DENYOOM | KV_ANYTYPE, set,
	    .c_parse = ttl, .c_how = KV_EX),
	KV_KEY("psetex", 4, KV_WRITE | KV_DENYOOM | KV_ANYTYPE, set,
	    .c_parse = ttl, .c_how = KV_PX),
	KV_KEY("getset", 3, KV_WRITE | KV_DENYOOM | KV_FAST, set,
	    .c_how = KV_GET),
	KV_KEYS("mset", -3, KV_WRITE | KV_DENYOOM | KV_ANYTYPE | KV_OK |
	    KV_PAIRS, 2, set, .c_how = QUIET),
	KV_KEY("incr", 2, KV_WRITE | KV_DENYOOM | KV_FAST, incr),
	KV_KEY("decr", 2, KV_WRITE | KV_DENYOOM | KV_FAST, incr,
	    .c_how = DECR),
	KV_KEY("incrby", 3, KV_WRITE | KV_DENYOOM | KV_FAST, incr,
	    .c_ints = { 2 }),
	KV_KEY("decrby", 3, KV_WRITE | KV_DENYOOM | KV_FAST, incr,
	    .c_ints = { 2 }, .c_parse = int_parse, .c_how = DECR),
	KV_KEY("incrbyfloat", 3, KV_WRITE | KV_DENYOOM | KV_FAST,
	    incrbyfloat),
	KV_KEY("append", 3, KV_WRITE | KV_DENYOOM | KV_FAST, append),
	KV_KEY("strlen", 2, KV_READ | KV_FAST, length),
	KV_KEY("getrange", 4, KV_READ, getrange, .c_ints = { 2, 3 }),
	KV_KEY("setrange", 4, KV_WRITE | KV_DENYOOM, setrange,
	    .c_ints = { 2 }, .c_parse = int_parse),
};

const struct kv_family kv_string_family = KV_FAMILY("string", KV_STRING, rows);
