/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges of sorted sets: ZRANGE in all its forms, and ZRANGEBYSCORE.
 *
 * THEORY: whatever the range is given by, it is turned into a first and a last
 * rank; then one loop reads it, forwards or backwards.
 */
#include "command.h"
#include "zset.h"

#include <string.h>

enum by { BY_AUTO, BY_RANK, BY_SCORE, BY_LEX };

/* One end of a range by score or by name. */
struct bound {
	double		 b_score;
	const char	*b_name;
	size_t		 b_len;
	int		 b_inf;		/* by name: -1 before all, 1 behind */
	bool		 b_excl;
};

struct range {
	enum by		 r_by;
	bool		 r_rev, r_scores, r_limit;
	int64_t		 r_skip, r_max;
	int64_t		 r_start, r_end;	/* by rank */
	struct bound	 r_lo, r_hi;
};

static bool
score_bound(const struct kv_arg *a, struct bound *b)
{
	b->b_excl = a->a_len > 0 && a->a_p[0] == '(';
	return kv_parse_bound(a->a_p + b->b_excl, a->a_len - b->b_excl,
	    &b->b_score);
}

static bool
name_bound(const struct kv_arg *a, struct bound *b)
{
	if (a->a_len == 1 && (a->a_p[0] == '-' || a->a_p[0] == '+')) {
		b->b_inf = a->a_p[0] == '-' ? -1 : 1;
		return true;
	}
	if (a->a_len == 0 || (a->a_p[0] != '(' && a->a_p[0] != '['))
		return false;
	b->b_excl = a->a_p[0] == '(';
	b->b_name = a->a_p + 1;
	b->b_len = a->a_len - 1;
	return true;
}

/* Is the member before a range that begins with this bound? */
static bool
before_score_lo(struct kv_member *m, const void *arg)
{
	const struct bound *b = arg;
	double score = kv_member_score(m);

	return score < b->b_score || (b->b_excl && score == b->b_score);
}

/* Is the member not behind a range that ends with this bound? */
static bool
upto_score_hi(struct kv_member *m, const void *arg)
{
	const struct bound *b = arg;
	double score = kv_member_score(m);

	return score < b->b_score || (!b->b_excl && score == b->b_score);
}

static int
name_compare(struct kv_member *m, const struct bound *b)
{
	size_t len;
	const char *name = kv_member_name(m, &len);
	int c;

	if (b->b_inf != 0)
		return -b->b_inf;
	c = memcmp(name, b->b_name, len < b->b_len ? len : b->b_len);
	return c != 0 ? c : (len > b->b_len) - (len < b->b_len);
}

static bool
before_name_lo(struct kv_member *m, const void *arg)
{
	const struct bound *b = arg;
	int c = name_compare(m, b);

	return c < 0 || (b->b_excl && c == 0);
}

static bool
upto_name_hi(struct kv_member *m, const void *arg)
{
	const struct bound *b = arg;
	int c = name_compare(m, b);

	return c < 0 || (!b->b_excl && c == 0);
}

/* The options from argument 4 on; NULL or what is wrong with them. */
static const char *
options(const struct kv_op *op, struct range *r)
{
	bool fixed = r->r_by != BY_AUTO;

	for (int i = 4; i < op->op_argc; i++) {
		const struct kv_arg *a = &op->op_argv[i];

		if (kv_arg_is(a, "withscores")) {
			r->r_scores = true;
		} else if (kv_arg_is(a, "limit") && i + 2 < op->op_argc) {
			if (!kv_parse_i64(a[1].a_p, a[1].a_len, &r->r_skip) ||
			    !kv_parse_i64(a[2].a_p, a[2].a_len, &r->r_max))
				return "ERR value is not an integer or out "
				    "of range";
			r->r_limit = true;
			i += 2;
		} else if (!fixed && kv_arg_is(a, "rev")) {
			r->r_rev = true;
		} else if (!fixed && kv_arg_is(a, "byscore") &&
		    r->r_by == BY_AUTO) {
			r->r_by = BY_SCORE;
		} else if (!fixed && kv_arg_is(a, "bylex") &&
		    r->r_by == BY_AUTO) {
			r->r_by = BY_LEX;
		} else {
			return "ERR syntax error";
		}
	}
	if (r->r_by == BY_AUTO)
		r->r_by = BY_RANK;
	if (r->r_limit && r->r_max != -1 && r->r_by == BY_RANK)
		return "ERR syntax error, LIMIT is only supported in "
		    "combination with either BYSCORE or BYLEX";
	if (r->r_scores && r->r_by == BY_LEX)
		return "ERR syntax error, WITHSCORES not supported in "
		    "combination with BYLEX";
	return NULL;
}

/* The two ends; backwards, the upper one comes first. */
static const char *
ends(const struct kv_op *op, struct range *r)
{
	bool swap = r->r_rev && r->r_by != BY_RANK;
	const struct kv_arg *lo = &op->op_argv[swap ? 3 : 2];
	const struct kv_arg *hi = &op->op_argv[swap ? 2 : 3];

	switch (r->r_by) {
	case BY_SCORE:
		if (!score_bound(lo, &r->r_lo) || !score_bound(hi, &r->r_hi))
			return "ERR min or max is not a float";
		break;
	case BY_LEX:
		if (!name_bound(lo, &r->r_lo) || !name_bound(hi, &r->r_hi))
			return "ERR min or max not valid string range item";
		break;
	default:
		if (!kv_parse_i64(lo->a_p, lo->a_len, &r->r_start) ||
		    !kv_parse_i64(hi->a_p, hi->a_len, &r->r_end))
			return "ERR value is not an integer or out of range";
		break;
	}
	return NULL;
}

/* Ranks from *firstp to *lastp; false: none. */
static bool
ranks(struct kv_zset *z, uint64_t count, const struct range *r,
    int64_t *firstp, int64_t *lastp)
{
	int64_t first = r->r_start, last = r->r_end, t;

	if (r->r_by == BY_RANK) {
		if (!kv_clip_range(count, &first, &last))
			return false;
		if (r->r_rev) {
			t = first;
			first = (int64_t)count - 1 - last;
			last = (int64_t)count - 1 - t;
		}
	} else {
		bool lex = r->r_by == BY_LEX;

		first = (int64_t)kv_zset_before(z,
		    lex ? before_name_lo : before_score_lo, &r->r_lo);
		last = (int64_t)kv_zset_before(z,
		    lex ? upto_name_hi : upto_score_hi, &r->r_hi) - 1;
	}
	if (first <= last && r->r_limit && r->r_by != BY_RANK) {
		if (r->r_skip < 0 || r->r_skip > last - first)
			return false;
		if (r->r_rev)
			last -= r->r_skip;
		else
			first += r->r_skip;
		if (r->r_max >= 0 && r->r_max < last - first + 1) {
			if (r->r_rev)
				first = last - r->r_max + 1;
			else
				last = first + r->r_max - 1;
		}
	}
	*firstp = first;
	*lastp = last;
	return first <= last;
}

static void
reply_member(struct kv_op *op, const struct kv_member *m, bool scores)
{
	size_t len;
	const char *name = kv_member_name(m, &len);

	if (scores && op->op_out->r_resp3)
		kv_reply_array(op->op_out, 2);
	kv_reply_bulk(op->op_out, name, len);
	if (scores)
		kv_reply_double(op->op_out, kv_member_score(m));
}

static int
range(struct kv_db *db, struct kv_op *op, struct range *r)
{
	const char *wrong = options(op, r);
	struct kv_member *m;
	struct kv_obj *obj;
	int64_t first, last;
	int st;

	if (wrong == NULL)
		wrong = ends(op, r);
	if (wrong != NULL) {
		kv_reply_error(op->op_out, "%s", wrong);
		return KV_DONE;
	}
	st = kv_op_open(db, op, KV_ZSET, false, &obj);
	if (st != KV_GO)
		return st;
	m = op->op_at;
	if (op->op_pin == NULL) {
		if (obj == NULL || !ranks(kv_zset(obj), kv_obj_count(obj), r,
		    &first, &last)) {
			kv_reply_array(op->op_out, 0);
			return KV_DONE;
		}
		op->op_left = last - first + 1;
		m = kv_zset_at(kv_zset(obj),
		    (uint64_t)(r->r_rev ? last : first));
		kv_reply_array(op->op_out, (uint64_t)op->op_left *
		    (r->r_scores && !op->op_out->r_resp3 ? 2 : 1));
	}
	for (int n = 0; op->op_left > 0; op->op_left--) {
		if (n++ == KV_SLICE) {
			op->op_at = m;
			return kv_op_pause(op, obj, false);
		}
		reply_member(op, m, r->r_scores);
		m = kv_zset_step(m, r->r_rev);
	}
	return kv_op_close(db, op, obj);
}

int
kv_cmd_zrange(struct kv_db *db, struct kv_op *op)
{
	struct range r = { .r_max = -1 };

	return range(db, op, &r);
}

int
kv_cmd_zrangebyscore(struct kv_db *db, struct kv_op *op)
{
	struct range r = { .r_by = BY_SCORE, .r_max = -1 };

	return range(db, op, &r);
}
