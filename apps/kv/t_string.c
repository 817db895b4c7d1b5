/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strings.
 *
 * THEORY: a string that is the one spelling of an integer is kept as that
 * integer, in the entry: no memory of its own, and INCR is an addition.  Any
 * other is a blob, overwritten in place when it fits.  A large argument has a
 * blob already and the key just takes a reference.
 */
#include "command.h"

#include <math.h>
#include <string.h>

/* The bytes of a string value; s_num holds those of a number. */
struct str {
	const char	*s_p;
	size_t		 s_len;
	char		 s_num[KV_NUMLEN];
};

static bool
is_string(const struct kv_ent *e)
{
	return e->e_type == KV_INT || e->e_type == KV_BLOB;
}

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

static void
reply_value(struct kv_op *op, const struct kv_ent *e)
{
	if (e->e_type == KV_INT)
		kv_reply_bulk_int(op->op_out, e->e_int);
	else
		kv_reply_blob(op->op_out, e->e_blob);
}

static struct kv_ent *
need_ent(struct kv_db *db, struct kv_op *op, struct kv_ent *e)
{
	const struct kv_arg *key = kv_op_key(op);

	return e != NULL ? e : kv_db_add(db, op->op_hash, key->a_p,
	    key->a_len);
}

/* Give the key (whose entry is e, or NULL) a string. Its end is as before. */
static struct kv_ent *
store(struct kv_db *db, struct kv_op *op, struct kv_ent *e,
    const struct kv_arg *val)
{
	int64_t num;

	e = need_ent(db, op, e);
	if (kv_parse_i64(val->a_p, val->a_len, &num)) {
		kv_ent_clear(db, e);
		e->e_int = num;
		return e;
	}
	if (e->e_type == KV_BLOB && val->a_blob == NULL) {
		e->e_blob = kv_blob_set(e->e_blob, val->a_p, val->a_len);
		return e;
	}
	kv_ent_clear(db, e);
	e->e_blob = kv_blob_arg(val);
	e->e_type = KV_BLOB;
	return e;
}

/*
 * The entry of a string command; NULL if there is none, *badp if its value is
 * no string, which has been replied.
 */
static struct kv_ent *
string_ent(struct kv_db *db, struct kv_op *op, bool *badp)
{
	struct kv_ent *e = kv_op_ent(db, op);

	*badp = e != NULL && !is_string(e);
	if (*badp)
		kv_op_wrongtype(op);
	return e;
}

int
kv_cmd_get(struct kv_db *db, struct kv_op *op)
{
	struct kv_ent *e = kv_op_read(db, op);

	if (e == NULL)
		kv_reply_null(op->op_out);
	else if (!is_string(e))
		kv_op_wrongtype(op);
	else
		reply_value(op, e);
	return KV_DONE;
}

/* One key of MGET. */
int
kv_op_mget(struct kv_db *db, struct kv_op *op)
{
	struct kv_ent *e = kv_op_read(db, op);

	if (e == NULL || !is_string(e))
		kv_reply_null(op->op_out);
	else
		reply_value(op, e);
	return KV_DONE;
}

/* One key of MSET. */
int
kv_op_mset(struct kv_db *db, struct kv_op *op)
{
	struct kv_ent *e = store(db, op, kv_op_ent(db, op), &op->op_argv[2]);

	kv_expire_set(db, e, KV_NEVER);
	return KV_DONE;
}

struct set_opts {
	bool		o_nx, o_xx, o_get, o_keepttl, o_persist;
	bool		o_seconds, o_absolute;
	int		o_ttl;		/* the time's argument; 0: none */
	int64_t		o_when;
};

static const struct {
	const char	*name;
	bool		 seconds, absolute;
} ttl_words[] = {
	{ "ex", true, false }, { "px", false, false },
	{ "exat", true, true }, { "pxat", false, true },
};

/* Is argument i an option that says when the key ends?  Its time follows. */
static bool
ttl_option(struct kv_op *op, int i, struct set_opts *o)
{
	if (o->o_ttl != 0 || o->o_keepttl || o->o_persist ||
	    i + 1 >= op->op_argc)
		return false;
	for (size_t w = 0; w < sizeof(ttl_words) / sizeof(ttl_words[0]); w++) {
		if (kv_arg_is(&op->op_argv[i], ttl_words[w].name)) {
			o->o_ttl = i + 1;
			o->o_seconds = ttl_words[w].seconds;
			o->o_absolute = ttl_words[w].absolute;
			return true;
		}
	}
	return false;
}

/* Read the time of argument o_ttl, if any; false: an error was replied. */
static bool
ttl_value(struct kv_db *db, struct kv_op *op, struct set_opts *o)
{
	int64_t val;

	if (o->o_ttl == 0)
		return true;
	if (!kv_op_i64(op, o->o_ttl, &val))
		return false;
	if (val <= 0) {
		kv_reply_error(op->op_out, "ERR invalid expire time in '%s' "
		    "command", op->op_cmd->c_name);
		return false;
	}
	return kv_expire_parse(db, op, o->o_ttl, o->o_seconds, o->o_absolute,
	    &o->o_when);
}

/* The options of SET, from argument 3 on; false: there is an error. */
static bool
set_options(struct kv_op *op, struct set_opts *o)
{
	for (int i = 3; i < op->op_argc; i++) {
		const struct kv_arg *a = &op->op_argv[i];

		if (kv_arg_is(a, "nx") && !o->o_xx) {
			o->o_nx = true;
		} else if (kv_arg_is(a, "xx") && !o->o_nx) {
			o->o_xx = true;
		} else if (kv_arg_is(a, "get")) {
			o->o_get = true;
		} else if (kv_arg_is(a, "keepttl") && o->o_ttl == 0) {
			o->o_keepttl = true;
		} else if (ttl_option(op, i, o)) {
			i++;
		} else {
			return false;
		}
	}
	return true;
}

int
kv_cmd_set(struct kv_db *db, struct kv_op *op)
{
	struct set_opts o = { .o_when = KV_NEVER };
	struct kv_ent *e;

	if (op->op_argc > 3) {
		if (!set_options(op, &o))
			return kv_op_syntax(op);
		if (!ttl_value(db, op, &o))
			return KV_DONE;
	}
	e = kv_op_ent(db, op);
	if (o.o_get) {
		if (e != NULL && !is_string(e))
			return kv_op_wrongtype(op);
		if (e != NULL)
			reply_value(op, e);
		else
			kv_reply_null(op->op_out);
	}
	if ((o.o_nx && e != NULL) || (o.o_xx && e == NULL)) {
		if (!o.o_get)
			kv_reply_null(op->op_out);
		return KV_DONE;
	}
	e = store(db, op, e, &op->op_argv[2]);
	if (!o.o_keepttl && (e->e_timer != 0 || o.o_ttl != 0))
		kv_expire_set(db, e, o.o_when);
	if (!o.o_get)
		kv_reply_status(op->op_out, "OK");
	return KV_DONE;
}

int
kv_cmd_setnx(struct kv_db *db, struct kv_op *op)
{
	if (kv_op_ent(db, op) != NULL) {
		kv_reply_int(op->op_out, 0);
	} else {
		store(db, op, NULL, &op->op_argv[2]);
		kv_reply_int(op->op_out, 1);
	}
	return KV_DONE;
}

static int
setex(struct kv_db *db, struct kv_op *op, bool seconds)
{
	struct set_opts o = { .o_ttl = 2, .o_seconds = seconds };

	if (!ttl_value(db, op, &o))
		return KV_DONE;
	kv_expire_set(db, store(db, op, kv_op_ent(db, op), &op->op_argv[3]),
	    o.o_when);
	kv_reply_status(op->op_out, "OK");
	return KV_DONE;
}

int
kv_cmd_setex(struct kv_db *db, struct kv_op *op)
{
	return setex(db, op, true);
}

int
kv_cmd_psetex(struct kv_db *db, struct kv_op *op)
{
	return setex(db, op, false);
}

int
kv_cmd_getset(struct kv_db *db, struct kv_op *op)
{
	bool bad;
	struct kv_ent *e = string_ent(db, op, &bad);

	if (bad)
		return KV_DONE;
	if (e != NULL)
		reply_value(op, e);
	else
		kv_reply_null(op->op_out);
	kv_expire_set(db, store(db, op, e, &op->op_argv[2]), KV_NEVER);
	return KV_DONE;
}

int
kv_cmd_getdel(struct kv_db *db, struct kv_op *op)
{
	struct kv_ent *e = kv_op_read(db, op);

	if (e == NULL) {
		kv_reply_null(op->op_out);
	} else if (!is_string(e)) {
		kv_op_wrongtype(op);
	} else {
		reply_value(op, e);
		kv_db_del(db, e);
	}
	return KV_DONE;
}

int
kv_cmd_getex(struct kv_db *db, struct kv_op *op)
{
	struct set_opts o = { .o_when = KV_NEVER };
	struct kv_ent *e;

	for (int i = 2; i < op->op_argc; i++) {
		if (kv_arg_is(&op->op_argv[i], "persist") && o.o_ttl == 0)
			o.o_persist = true;
		else if (ttl_option(op, i, &o))
			i++;
		else
			return kv_op_syntax(op);
	}
	e = kv_op_read(db, op);
	if (e == NULL) {
		kv_reply_null(op->op_out);
	} else if (!is_string(e)) {
		kv_op_wrongtype(op);
	} else if (ttl_value(db, op, &o)) {
		reply_value(op, e);
		if (o.o_ttl != 0 || o.o_persist)
			kv_expire_set(db, e, o.o_when);
	}
	return KV_DONE;
}

static int
add(struct kv_db *db, struct kv_op *op, int64_t delta)
{
	bool bad;
	struct kv_ent *e = string_ent(db, op, &bad);
	int64_t val = 0;

	if (bad)
		return KV_DONE;
	if (e != NULL && e->e_type == KV_INT) {
		val = e->e_int;
	} else if (e != NULL && !kv_parse_i64(e->e_blob->b_data,
	    e->e_blob->b_len, &val)) {
		kv_reply_error(op->op_out,
		    "ERR value is not an integer or out of range");
		return KV_DONE;
	}
	if (__builtin_add_overflow(val, delta, &val)) {
		kv_reply_error(op->op_out,
		    "ERR increment or decrement would overflow");
		return KV_DONE;
	}
	e = need_ent(db, op, e);
	if (e->e_type == KV_BLOB)
		kv_ent_clear(db, e);	/* APPEND made it, say */
	e->e_int = val;
	kv_reply_int(op->op_out, val);
	return KV_DONE;
}

int
kv_cmd_incr(struct kv_db *db, struct kv_op *op)
{
	return add(db, op, 1);
}

int
kv_cmd_decr(struct kv_db *db, struct kv_op *op)
{
	return add(db, op, -1);
}

int
kv_cmd_incrby(struct kv_db *db, struct kv_op *op)
{
	int64_t delta;

	return kv_op_i64(op, 2, &delta) ? add(db, op, delta) : KV_DONE;
}

int
kv_cmd_decrby(struct kv_db *db, struct kv_op *op)
{
	int64_t delta;

	if (!kv_op_i64(op, 2, &delta))
		return KV_DONE;
	if (delta == INT64_MIN) {
		kv_reply_error(op->op_out, "ERR decrement would overflow");
		return KV_DONE;
	}
	return add(db, op, -delta);
}

int
kv_cmd_incrbyfloat(struct kv_db *db, struct kv_op *op)
{
	bool bad;
	struct kv_ent *e = string_ent(db, op, &bad);
	const struct kv_arg *a = &op->op_argv[2];
	char buf[KV_FLOATLEN];
	long double val = 0, delta;
	struct str s;

	if (bad)
		return KV_DONE;
	get_bytes(e, &s);
	if ((e != NULL && !kv_parse_ldouble(s.s_p, s.s_len, &val)) ||
	    !kv_parse_ldouble(a->a_p, a->a_len, &delta)) {
		kv_reply_error(op->op_out, "ERR value is not a valid float");
		return KV_DONE;
	}
	val += delta;
	if (isnan(val) || isinf(val)) {
		kv_reply_error(op->op_out,
		    "ERR increment would produce NaN or Infinity");
		return KV_DONE;
	}
	s.s_len = kv_fmt_ldouble(buf, val);
	store(db, op, e, &(struct kv_arg){ buf, s.s_len, NULL });
	kv_reply_bulk(op->op_out, buf, s.s_len);
	return KV_DONE;
}

/* The value as a blob that may be changed, with room for cap bytes. */
static struct kv_blob *
open_blob(struct kv_db *db, struct kv_op *op, struct kv_ent *e, size_t cap)
{
	struct str s;

	if (e != NULL && e->e_type == KV_BLOB) {
		/* Grow by half, so that appending is linear. */
		if (cap > e->e_blob->b_cap)
			cap += cap / 2;
		return e->e_blob = kv_blob_room(e->e_blob, cap);
	}
	get_bytes(e, &s);
	e = need_ent(db, op, e);
	e->e_type = KV_BLOB;
	e->e_blob = kv_blob_room(kv_blob_new(s.s_p, s.s_len), cap);
	return e->e_blob;
}

/* A string of end bytes is within the limit; else that is replied. */
static bool
length_ok(struct kv_op *op, uint64_t end)
{
	if (end <= KV_MAXBULK)
		return true;
	kv_reply_error(op->op_out, "ERR string exceeds maximum allowed size "
	    "(proto-max-bulk-len)");
	return false;
}

int
kv_cmd_append(struct kv_db *db, struct kv_op *op)
{
	bool bad;
	struct kv_ent *e = string_ent(db, op, &bad);
	const struct kv_arg *a = &op->op_argv[2];
	struct kv_blob *b;
	struct str s;

	if (bad)
		return KV_DONE;
	if (e == NULL) {
		store(db, op, NULL, a);
		kv_reply_int(op->op_out, (int64_t)a->a_len);
		return KV_DONE;
	}
	get_bytes(e, &s);
	if (!length_ok(op, s.s_len + a->a_len))
		return KV_DONE;
	b = open_blob(db, op, e, s.s_len + a->a_len);
	memcpy(b->b_data + b->b_len, a->a_p, a->a_len);
	b->b_len += (uint32_t)a->a_len;
	kv_reply_int(op->op_out, b->b_len);
	return KV_DONE;
}

int
kv_cmd_strlen(struct kv_db *db, struct kv_op *op)
{
	struct kv_ent *e = kv_op_read(db, op);
	struct str s;

	if (e != NULL && !is_string(e))
		return kv_op_wrongtype(op);
	get_bytes(e, &s);
	kv_reply_int(op->op_out, (int64_t)s.s_len);
	return KV_DONE;
}

int
kv_cmd_getrange(struct kv_db *db, struct kv_op *op)
{
	int64_t start, end, len;
	struct kv_ent *e;
	struct str s;

	if (!kv_op_i64(op, 2, &start) || !kv_op_i64(op, 3, &end))
		return KV_DONE;
	e = kv_op_read(db, op);
	if (e != NULL && !is_string(e))
		return kv_op_wrongtype(op);
	get_bytes(e, &s);
	len = (int64_t)s.s_len;
	if (start < 0 && end < 0 && start > end)
		len = 0;
	if (start < 0)
		start = start < -len ? 0 : start + len;
	if (end < 0)
		end = end < -len ? 0 : end + len;
	if (end >= len)
		end = len - 1;
	if (len == 0 || start > end)
		kv_reply_bulk(op->op_out, "", 0);
	else if (start == 0 && end == len - 1 && e->e_type == KV_BLOB)
		kv_reply_blob(op->op_out, e->e_blob);
	else
		kv_reply_bulk(op->op_out, s.s_p + start,
		    (size_t)(end - start + 1));
	return KV_DONE;
}

int
kv_cmd_setrange(struct kv_db *db, struct kv_op *op)
{
	const struct kv_arg *a = &op->op_argv[3];
	struct kv_blob *b;
	struct kv_ent *e;
	struct str s;
	int64_t off;
	size_t end;
	bool bad;

	if (!kv_op_i64(op, 2, &off))
		return KV_DONE;
	if (off < 0) {
		kv_reply_error(op->op_out, "ERR offset is out of range");
		return KV_DONE;
	}
	e = string_ent(db, op, &bad);
	if (bad)
		return KV_DONE;
	get_bytes(e, &s);
	if (a->a_len == 0) {
		kv_reply_int(op->op_out, (int64_t)s.s_len);
		return KV_DONE;
	}
	if (!length_ok(op, (uint64_t)off + a->a_len))
		return KV_DONE;
	end = (size_t)off + a->a_len;
	b = open_blob(db, op, e, end > s.s_len ? end : s.s_len);
	if (end > b->b_len) {
		memset(b->b_data + b->b_len, 0, end - b->b_len);
		b->b_len = (uint32_t)end;
	}
	memcpy(b->b_data + off, a->a_p, a->a_len);
	kv_reply_int(op->op_out, b->b_len);
	return KV_DONE;
}
