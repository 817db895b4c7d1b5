/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands on sorted sets, except those that read ranges.
 */
#include "command.h"
#include "zset.h"

#include <math.h>

struct zadd {
	bool	z_nx, z_xx, z_gt, z_lt, z_ch, z_incr;
	int	z_first;	/* the first score's argument */
};

bool
kv_score_arg(struct kv_op *op, int arg, double *scorep)
{
	const struct kv_arg *a = &op->op_argv[arg];

	if (kv_parse_double(a->a_p, a->a_len, scorep))
		return true;
	kv_reply_error(op->op_out, "ERR value is not a valid float");
	return false;
}

/* The options of ZADD; NULL or what is wrong with them. */
static const char *
zadd_options(const struct kv_op *op, struct zadd *z)
{
	int i, n;

	for (i = 2; i < op->op_argc; i++) {
		const struct kv_arg *a = &op->op_argv[i];

		if (kv_arg_is(a, "nx"))
			z->z_nx = true;
		else if (kv_arg_is(a, "xx"))
			z->z_xx = true;
		else if (kv_arg_is(a, "ch"))
			z->z_ch = true;
		else if (kv_arg_is(a, "incr"))
			z->z_incr = true;
		else if (kv_arg_is(a, "gt"))
			z->z_gt = true;
		else if (kv_arg_is(a, "lt"))
			z->z_lt = true;
		else
			break;
	}
	z->z_first = i;
	n = op->op_argc - i;
	if (n == 0 || n % 2 != 0)
		return "ERR syntax error";
	if (z->z_nx && z->z_xx)
		return "ERR XX and NX options at the same time are not "
		    "compatible";
	if (z->z_gt + z->z_lt + z->z_nx > 1)
		return "ERR GT, LT, and/or NX options at the same time are "
		    "not compatible";
	if (z->z_incr && n > 2)
		return "ERR INCR option supports a single increment-element "
		    "pair";
	return NULL;
}

enum added { ADD_NOP, ADD_NEW, ADD_CHANGED, ADD_SAME, ADD_NAN };

/* One score and member; the member's score afterwards in *scorep. */
static enum added
add_one(struct kv_zset *z, const struct zadd *o, const struct kv_arg *name,
    double *scorep)
{
	struct kv_member *m = kv_zset_find(z, name->a_p, name->a_len);
	double score = *scorep, old;

	if (m == NULL) {
		if (o->z_xx)
			return ADD_NOP;
		kv_zset_add(z, name->a_p, name->a_len, score);
		return ADD_NEW;
	}
	if (o->z_nx)
		return ADD_NOP;
	old = kv_member_score(m);
	if (o->z_incr)
		score += old;
	if (isnan(score))
		return ADD_NAN;
	if ((o->z_lt && score >= old) || (o->z_gt && score <= old))
		return ADD_NOP;
	*scorep = score;
	if (score == old)
		return ADD_SAME;
	kv_zset_rescore(z, m, score);
	return ADD_CHANGED;
}

static int
zincr(struct kv_db *db, struct kv_op *op, const struct zadd *o,
    struct kv_obj *obj, double score)
{
	switch (add_one(kv_zset(obj), o, &op->op_argv[o->z_first + 1],
	    &score)) {
	case ADD_NAN:
		kv_reply_error(op->op_out,
		    "ERR resulting score is not a number (NaN)");
		break;
	case ADD_NOP:
		kv_reply_null(op->op_out);
		break;
	default:
		kv_reply_double(op->op_out, score);
		break;
	}
	return kv_op_close(db, op, obj);
}

/*
 * All scores are read before anything is changed: op_left counts those that
 * were, op_pos the pairs that are in.
 */
static int
zadd(struct kv_db *db, struct kv_op *op, const struct zadd *o)
{
	int pairs = (op->op_argc - o->z_first) / 2, st, n;
	struct kv_obj *obj;
	double score = 0;

	for (n = 0; op->op_left < pairs; op->op_left++) {
		if (n++ == KV_SLICE)
			return KV_MORE;
		if (!kv_score_arg(op, o->z_first + 2 * (int)op->op_left,
		    &score))
			return KV_DONE;
	}
	st = kv_op_open(db, op, KV_ZSET, true, &obj);
	if (st != KV_GO)
		return st;
	if (obj == NULL)
		obj = kv_op_create(db, op, (struct kv_obj *)kv_zset_new());
	if (o->z_incr)
		return zincr(db, op, o, obj, score);
	for (n = 0; (int)op->op_pos < pairs; op->op_pos++) {
		int i = o->z_first + 2 * (int)op->op_pos;
		enum added what;

		if (n++ == KV_SLICE)
			return kv_op_pause(op, obj, true);
		if (pairs > 1)
			kv_score_arg(op, i, &score);
		what = add_one(kv_zset(obj), o, &op->op_argv[i + 1], &score);
		op->op_result += what == ADD_NEW ||
		    (o->z_ch && what == ADD_CHANGED);
	}
	kv_reply_int(op->op_out, op->op_result);
	return kv_op_close(db, op, obj);
}

int
kv_cmd_zadd(struct kv_db *db, struct kv_op *op)
{
	struct zadd o = { 0 };
	const char *wrong = zadd_options(op, &o);

	if (wrong != NULL) {
		kv_reply_error(op->op_out, "%s", wrong);
		return KV_DONE;
	}
	return zadd(db, op, &o);
}

int
kv_cmd_zincrby(struct kv_db *db, struct kv_op *op)
{
	struct zadd o = { .z_incr = true, .z_first = 2 };

	return zadd(db, op, &o);
}

int
kv_cmd_zrem(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_ZSET, true, &obj);

	if (st != KV_GO)
		return st;
	for (int n = 0; obj != NULL && (int)op->op_pos + 2 < op->op_argc;
	    op->op_pos++) {
		const struct kv_arg *a = &op->op_argv[op->op_pos + 2];
		struct kv_member *m;

		if (n++ == KV_SLICE)
			return kv_op_pause(op, obj, true);
		m = kv_zset_find(kv_zset(obj), a->a_p, a->a_len);
		if (m != NULL) {
			kv_zset_remove(kv_zset(obj), m);
			op->op_result++;
		}
	}
	kv_reply_int(op->op_out, op->op_result);
	return kv_op_close(db, op, obj);
}

/* The member that argument 2 names, or NULL, in *mp. */
static int
open_member(struct kv_db *db, struct kv_op *op, struct kv_obj **objp,
    struct kv_member **mp)
{
	const struct kv_arg *a = &op->op_argv[2];
	int st = kv_op_open(db, op, KV_ZSET, false, objp);

	*mp = NULL;
	if (st == KV_GO && *objp != NULL)
		*mp = kv_zset_find(kv_zset(*objp), a->a_p, a->a_len);
	return st;
}

int
kv_cmd_zscore(struct kv_db *db, struct kv_op *op)
{
	struct kv_member *m;
	struct kv_obj *obj;
	int st = open_member(db, op, &obj, &m);

	if (st != KV_GO)
		return st;
	if (m != NULL)
		kv_reply_double(op->op_out, kv_member_score(m));
	else
		kv_reply_null(op->op_out);
	return KV_DONE;
}

int
kv_cmd_zrank(struct kv_db *db, struct kv_op *op)
{
	struct kv_member *m;
	struct kv_obj *obj;
	int st = open_member(db, op, &obj, &m);

	if (st != KV_GO)
		return st;
	if (m != NULL)
		kv_reply_int(op->op_out,
		    (int64_t)kv_zset_rank(kv_zset(obj), m));
	else
		kv_reply_null(op->op_out);
	return KV_DONE;
}

int
kv_cmd_zcard(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_ZSET, false, &obj);

	if (st != KV_GO)
		return st;
	kv_reply_int(op->op_out,
	    obj != NULL ? (int64_t)kv_obj_count(obj) : 0);
	return KV_DONE;
}

static int
pop(struct kv_db *db, struct kv_op *op, bool max)
{
	bool pairs = op->op_out->r_resp3 && op->op_argc == 3;
	struct kv_obj *obj;
	int64_t want = 1, count;
	int st;

	if (op->op_argc > 3)
		return kv_op_syntax(op);
	if (op->op_argc == 3 && !kv_op_count(op, 2, &want))
		return KV_DONE;
	st = kv_op_open(db, op, KV_ZSET, true, &obj);
	if (st != KV_GO)
		return st;
	if (op->op_pin == NULL) {
		count = obj != NULL ? (int64_t)kv_obj_count(obj) : 0;
		op->op_left = want < count ? want : count;
		kv_reply_array(op->op_out,
		    (uint64_t)(pairs ? op->op_left : op->op_left * 2));
	}
	for (int n = 0; op->op_left > 0; op->op_left--) {
		struct kv_member *m;
		const char *name;
		size_t len;

		if (n++ == KV_SLICE)
			return kv_op_pause(op, obj, true);
		m = kv_zset_at(kv_zset(obj), max ? kv_obj_count(obj) - 1 : 0);
		name = kv_member_name(m, &len);
		if (pairs)
			kv_reply_array(op->op_out, 2);
		kv_reply_bulk(op->op_out, name, len);
		kv_reply_double(op->op_out, kv_member_score(m));
		kv_zset_remove(kv_zset(obj), m);
	}
	return kv_op_close(db, op, obj);
}

int
kv_cmd_zpopmin(struct kv_db *db, struct kv_op *op)
{
	return pop(db, op, false);
}

int
kv_cmd_zpopmax(struct kv_db *db, struct kv_op *op)
{
	return pop(db, op, true);
}
