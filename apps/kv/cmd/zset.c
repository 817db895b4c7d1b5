/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands on sorted sets.
 *
 * THEORY: a range by score, by name or by rank becomes a first and a last rank.
 * Then one loop reads it, forwards or backwards.  An end by score or by name is
 * a place between members: before those that are equal to it, or after them.
 */
#include "cmd/value.h"
#include "shard/ztree.h"

#include <math.h>

/* c_how: PAIRS of member and score; POP removes members; RANK: ZRANK. */
#define PAIRS	KV_HOW1
#define POP	KV_HOW2
#define RANK	KV_HOW1

/* One end of a range by score or by name. */
struct bound {
	double		 b_score;
	const char	*b_name;	/* NULL: by score */
	size_t		 b_len;
	int		 b_inf;		/* by name: -1 before all, 1 after */
	bool		 b_behind;	/* behind those that are equal to it */
};

struct range {
	int64_t		 r_start, r_end;	/* by rank */
	struct bound	 r_lo, r_hi;		/* by score or by name */
	int64_t		 r_skip, r_max;
};

/* Check the options of ZADD; return what is wrong with them, or NULL. */
static const char *
add_options(struct kv_op *op)
{
	int n = op->op_argc - op->op_end;
	uint32_t o = op->op_words;

	if (n == 0 || n % 2 != 0)
		return KV_E_SYNTAX;
	if ((o & KV_NX) != 0 && (o & KV_XX) != 0)
		return "ERR XX and NX options at the same time are not "
		    "compatible";
	if (((o & KV_NX) != 0) + ((o & KV_GT) != 0) + ((o & KV_LT) != 0) > 1)
		return "ERR GT, LT, and/or NX options at the same time are "
		    "not compatible";
	if ((o & KV_INCR) != 0 && n > 2)
		return "ERR INCR option supports a single increment-element "
		    "pair";
	return NULL;
}

/*
 * Check all scores, which begin at argument op_end, before anything is changed.
 * op_left counts the scores checked so far.  At the end it becomes the number
 * of arguments from op_end on.
 */
static enum kv_ready
add_parse(struct kv_op *op)
{
	enum kv_ready ready = KV_READY;
	double score;

	if (op->op_cmd->c_words != 0)
		ready = kv_op_check(op, add_options(op));
	else
		op->op_end = 2;			/* ZINCRBY */
	for (int n = 0, i; ready == KV_READY; n++, op->op_left++) {
		i = op->op_end + 2 * (int)op->op_left;
		if (i >= op->op_argc) {
			op->op_left = op->op_argc - op->op_end;
			break;
		}
		if (n % KV_STEPS == KV_STEPS - 1 && kv_turn_over(op->op_db))
			ready = KV_LATER;
		else if (!kv_arg_double(&op->op_argv[i], false, &score))
			ready = kv_op_fail(op, KV_E_FLOAT);
	}
	return ready;
}

/* Find the member of a name. */
static struct kv_member *
find(struct kv_op *op, const struct kv_arg *name)
{
	return (struct kv_member *)kv_elem_find(op->op_obj, name);
}

/* ZADD, ZINCRBY: add a member or change its score. */
static void
add_each(struct kv_op *op)
{
	const struct kv_arg *a = kv_op_next(op), *name = kv_op_next(op);
	uint64_t hash = kv_hash(name->a_p, name->a_len);
	struct kv_member *m = (struct kv_member *)kv_dict_find(
	    &op->op_obj->o_dict, hash, name->a_p, name->a_len);
	bool done = m == NULL && (op->op_words & KV_XX) == 0;
	uint32_t o = op->op_words;
	double score, old;

	kv_arg_double(a, false, &score);
	if (done) {
		kv_zset_add(op->op_obj, hash, name, score);
		op->op_result++;
	} else if (m != NULL && (o & KV_NX) == 0) {
		old = m->m_score;
		score += (o & KV_INCR) != 0 ? old : 0;
		if (isnan(score)) {
			kv_op_fail(op,
			    "ERR resulting score is not a number (NaN)");
			return;
		}
		done = ((o & KV_LT) == 0 || score < old) &&
		    ((o & KV_GT) == 0 || score > old);
		if (done && score != old) {
			kv_zset_rescore(op->op_obj, m, score);
			op->op_result += (o & KV_CH) != 0;
		}
	}
	if (op->op_left > 0)
		return;
	if ((o & KV_INCR) == 0)
		kv_say_int(op->op_out, op->op_result);
	else if (done)
		kv_say_double(op->op_out, score);
	else
		kv_say_nil(op->op_out);
}

/* ZSCORE and ZRANK */
static void
score_or_rank(struct kv_op *op)
{
	struct kv_member *m = find(op, &op->op_argv[2]);

	if (m == NULL)
		kv_say_nil(op->op_out);
	else if ((op->op_words & RANK) != 0)
		kv_say_int(op->op_out, (int64_t)kv_zset_rank(m));
	else
		kv_say_double(op->op_out, m->m_score);
}

/* Read one end of a range by score or name.  Returns false if it is invalid. */
static bool
read_bound(const struct kv_arg *a, bool by_name, struct bound *b)
{
	char c = a->a_len > 0 ? a->a_p[0] : '\0';

	b->b_behind = c == '(';
	if (!by_name)
		return kv_arg_double(&(struct kv_arg){
		    .a_p = a->a_p + b->b_behind,
		    .a_len = a->a_len - b->b_behind }, true, &b->b_score);
	b->b_name = a->a_p + 1;
	b->b_len = a->a_len - 1;
	if (a->a_len == 1)
		b->b_inf = (c == '+') - (c == '-');
	return b->b_inf != 0 || c == '(' || c == '[';
}

/* Return whether the member is before this place. */
static bool
before(const struct kv_member *m, const void *arg)
{
	const struct bound *b = arg;
	size_t len = m->m_node.n_klen;
	int c = -b->b_inf;

	if (b->b_name == NULL) {
		c = (m->m_score > b->b_score) - (m->m_score < b->b_score);
	} else if (c == 0) {
		c = memcmp(m->m_name, b->b_name,
		    len < b->b_len ? len : b->b_len);
		if (c == 0)
			c = (len > b->b_len) - (len < b->b_len);
	}
	return c < 0 || (c == 0 && b->b_behind);
}

/* Read the two ends of a range; backwards, the upper one comes first. */
static const char *
read_ends(struct kv_op *op, struct range *r)
{
	bool by_name = (op->op_words & KV_BYLEX) != 0;
	bool by_rank = (op->op_words & (KV_BYLEX | KV_BYSCORE)) == 0;
	bool swap = (op->op_words & KV_REV) != 0 && !by_rank;
	const struct kv_arg *lo = &op->op_argv[swap ? 3 : 2];
	const struct kv_arg *hi = &op->op_argv[swap ? 2 : 3];

	if (by_rank)
		return kv_arg_i64(lo, &r->r_start) &&
		    kv_arg_i64(hi, &r->r_end) ? NULL : KV_E_INTEGER;
	if (!read_bound(lo, by_name, &r->r_lo) ||
	    !read_bound(hi, by_name, &r->r_hi))
		return by_name ? "ERR min or max not valid string range item" :
		    "ERR min or max is not a float";
	r->r_hi.b_behind = !r->r_hi.b_behind;
	return NULL;
}

/* Read the arguments of a range; return what is wrong with them, or NULL. */
static const char *
read_range(struct kv_op *op, struct range *r)
{
	const struct kv_arg *limit = &op->op_argv[op->op_val[0]];
	uint32_t o = op->op_words;

	*r = (struct range){ .r_max = -1 };
	if ((o & KV_LIMIT) != 0) {
		kv_arg_i64(&limit[0], &r->r_skip);
		kv_arg_i64(&limit[1], &r->r_max);
	}
	if (r->r_max != -1 && (o & (KV_BYSCORE | KV_BYLEX)) == 0)
		return "ERR syntax error, LIMIT is only supported in "
		    "combination with either BYSCORE or BYLEX";
	if ((o & KV_WITHSCORES) != 0 && (o & KV_BYLEX) != 0)
		return "ERR syntax error, WITHSCORES not supported in "
		    "combination with BYLEX";
	return read_ends(op, r);
}

/* Check the arguments of a range. */
static enum kv_ready
range_parse(struct kv_op *op)
{
	struct range r;

	return kv_op_check(op, read_range(op, &r));
}

/*
 * Return the rank of the first member of a range (backwards, of the last) and
 * how many members it has.
 */
static uint64_t
ranks(struct kv_op *op, const struct range *r, int64_t *countp)
{
	int64_t n = op->op_obj->o_dict.d_count, first = r->r_start;
	int64_t last = r->r_end, skip = 0;
	bool back = (op->op_words & KV_REV) != 0;

	if ((op->op_words & (KV_BYSCORE | KV_BYLEX)) == 0) {
		kv_clip_range(n, &first, &last);
	} else {
		first = (int64_t)kv_zset_before(op->op_obj, before, &r->r_lo);
		last = (int64_t)kv_zset_before(op->op_obj, before, &r->r_hi) -
		    1;
		skip = r->r_skip;
		if (back) {
			int64_t t = first;

			first = n - 1 - last;
			last = n - 1 - t;
		}
	}
	*countp = last - first + 1;
	if (skip < 0 || skip >= *countp)
		*countp = skip = 0;
	*countp -= skip;
	if (r->r_max >= 0 && r->r_max < *countp)
		*countp = r->r_max;
	first += skip;
	return (uint64_t)(back ? n - 1 - first : first);
}

/* Begin to reply op_left members from a rank on. */
static void
begin_range(struct kv_op *op, uint64_t first, bool pairs)
{
	bool flat = (op->op_words & KV_WITHSCORES) != 0 && !pairs;

	if ((op->op_words & KV_WITHSCORES) != 0 && pairs)
		op->op_words |= PAIRS;
	op->op_at = kv_zset_at(op->op_obj, first);
	kv_say_many(op->op_out, '*', flat ? op->op_left * 2 : op->op_left);
}

/* ZRANGE, ZRANGEBYSCORE */
static void
range(struct kv_op *op)
{
	struct range r;
	uint64_t first;

	read_range(op, &r);
	first = ranks(op, &r, &op->op_left);
	begin_range(op, first, op->op_out->r_resp3);
}

/* ZPOPMIN, ZPOPMAX */
static void
pop(struct kv_op *op)
{
	int64_t n = op->op_obj->o_dict.d_count;

	op->op_left = op->op_int[0] < n ? op->op_int[0] : n;
	begin_range(op, (op->op_words & KV_REV) != 0 ? (uint64_t)n - 1 : 0,
	    op->op_out->r_resp3 && op->op_argc == 3);
}

/* Reply the next member of a range, and remove it if it was popped. */
static void
range_each(struct kv_op *op)
{
	struct kv_member *m = op->op_at;
	uint32_t o = op->op_words;

	if ((o & PAIRS) != 0)
		kv_say_many(op->op_out, '*', 2);
	kv_say_bulk(op->op_out, m->m_name, m->m_node.n_klen);
	if ((o & KV_WITHSCORES) != 0)
		kv_say_double(op->op_out, m->m_score);
	op->op_at = kv_zset_step(m, (o & KV_REV) != 0);
	op->op_left--;
	if ((o & POP) != 0)
		kv_elem_remove(op, &m->m_node);
}

static struct kv_cmd rows[] = {
	KV_KEY("zadd", -4, KV_WRITE | KV_DENYOOM | KV_FAST | KV_MAKE |
	    KV_REST, NULL, .c_from = 2, .c_words = KV_NX | KV_XX | KV_GT |
	    KV_LT | KV_CH | KV_INCR, .c_parse = add_parse, .c_each = add_each),
	KV_KEY("zincrby", 4, KV_WRITE | KV_DENYOOM | KV_FAST | KV_MAKE, NULL,
	    .c_how = KV_INCR, .c_parse = add_parse, .c_each = add_each),
	KV_KEY("zrem", -3, KV_WRITE | KV_FAST | KV_ARGS | KV_SUM, NULL,
	    .c_each = kv_remove_each),
	KV_KEY("zscore", 3, KV_READ | KV_FAST, score_or_rank),
	KV_KEY("zrank", 3, KV_READ | KV_FAST, score_or_rank, .c_how = RANK),
	KV_KEY("zcard", 2, KV_READ | KV_FAST, kv_card),
	KV_KEY("zrange", -4, KV_READ, range, .c_from = 4,
	    .c_words = KV_BYSCORE | KV_BYLEX | KV_REV | KV_WITHSCORES |
	    KV_LIMIT, .c_parse = range_parse, .c_each = range_each),
	KV_KEY("zrangebyscore", -4, KV_READ, range, .c_from = 4,
	    .c_how = KV_BYSCORE, .c_words = KV_WITHSCORES | KV_LIMIT,
	    .c_parse = range_parse, .c_each = range_each),
	KV_KEY("zpopmin", -2, KV_WRITE | KV_FAST, pop, .c_how = POP |
	    KV_WITHSCORES, .c_parse = kv_op_count, .c_each = range_each),
	KV_KEY("zpopmax", -2, KV_WRITE | KV_FAST, pop, .c_parse = kv_op_count,
	    .c_how = POP | KV_WITHSCORES | KV_REV, .c_each = range_each),
};

const struct kv_family kv_zset_family =
    KV_FAMILY("sorted-set", KV_ZSET, rows);
