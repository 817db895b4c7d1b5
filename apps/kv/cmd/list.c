/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists: a table whose names are consecutive numbers, from o_first on.
 *
 * THEORY: pushing, popping and finding by index take the same time at every
 * place, and a list grows in small steps, as all tables do.  A name is also its
 * hash: consecutive names fill the buckets evenly, and neighbours are in
 * neighbouring buckets.
 */
#include "cmd/value.h"

#define LEFT	KV_HOW1		/* c_how: the side of the list */

/* Return how many elements there are. */
static int64_t
count(const struct kv_op *op)
{
	return op->op_obj->o_dict.d_count;
}

/* Find element i. */
static struct kv_ent *
at(struct kv_op *op, int64_t i)
{
	int64_t name = op->op_obj->o_first + i;

	return (struct kv_ent *)kv_dict_find(&op->op_obj->o_dict,
	    (uint64_t)name, &name, sizeof(name));
}

/* Add an element on one side. */
static struct kv_ent *
push(struct kv_op *op, bool left)
{
	struct kv_obj *l = op->op_obj;
	int64_t name = left ? --l->o_first : l->o_first + count(op);

	return (struct kv_ent *)kv_dict_add(&l->o_dict, (uint64_t)name, &name,
	    sizeof(name));
}

/* Remove the element on one side. */
static void
pop(struct kv_op *op, bool left)
{
	kv_elem_remove(op, &at(op, left ? 0 : count(op) - 1)->e_node);
	op->op_obj->o_first += left;
}

/* Move the element on one side to the other side. */
static void
pass(struct kv_op *op, bool left)
{
	struct kv_ent *from = at(op, left ? 0 : count(op) - 1);
	struct kv_ent *to = push(op, !left);

	to->e_type = from->e_type;
	to->e_int = from->e_int;	/* or whatever it is */
	from->e_type = KV_INT;
	pop(op, left);
}

/* LPUSH, RPUSH */
static void
push_each(struct kv_op *op)
{
	kv_ent_store(op->op_db, push(op, op->op_words == LEFT),
	    kv_op_next(op));
	op->op_result = count(op);
}

/* Read the count of LPOP and RPOP. */
static enum kv_ready
pop_parse(struct kv_op *op)
{
	return op->op_argc > 3 ? kv_op_fail(op, KV_E_ARITY) : kv_op_count(op);
}

/* LPOP, RPOP */
static void
pop_some(struct kv_op *op)
{
	int64_t n = count(op);

	op->op_left = op->op_int[0] < n ? op->op_int[0] : n;
	if (op->op_argc == 3)
		kv_say_many(op->op_out, '*', n > 0 ? op->op_left : -1);
	else if (n == 0)
		kv_say_nil(op->op_out);
}

/* Reply an element of one side, and remove it. */
static void
pop_each(struct kv_op *op)
{
	bool left = op->op_words == LEFT;

	kv_say_value(op->op_out, at(op, left ? 0 : count(op) - 1));
	pop(op, left);
	op->op_left--;
}

/* LRANGE */
static void
lrange(struct kv_op *op)
{
	int64_t *first = &op->op_int[0], *last = &op->op_int[1];

	if (kv_clip_range(count(op), first, last))
		op->op_left = *last - *first + 1;
}

/* Reply the next element of a range. */
static void
lrange_each(struct kv_op *op)
{
	kv_say_value(op->op_out, at(op, op->op_int[0]++));
	op->op_left--;
}

/* LINDEX; and LSET, which has a value.  Without a list no index is read. */
static void
element(struct kv_op *op)
{
	bool set = op->op_argc == 4;
	struct kv_ent *e = NULL;
	int64_t i = 0;

	if (count(op) > 0 && !kv_arg_i64(&op->op_argv[2], &i)) {
		kv_op_fail(op, KV_E_INTEGER);
		return;
	}
	if (i >= -count(op) && i < count(op))
		e = at(op, i < 0 ? i + count(op) : i);
	if (!set) {
		kv_say_value(op->op_out, e);
	} else if (e != NULL) {
		kv_ent_store(op->op_db, e, &op->op_argv[3]);
		kv_say_ok(op->op_out);
	} else {
		kv_op_fail(op, count(op) == 0 ? KV_E_NOKEY :
		    "ERR index out of range");
	}
}

/* LREM */
static void
lrem(struct kv_op *op)
{
	op->op_left = count(op);
}

/*
 * Compare the element at one end; remove it, or move it to the other end.  When
 * all have been moved, they are in order again.  When enough are removed before
 * that, the moved ones (op_pos) go back (op_at).
 */
static void
lrem_each(struct kv_op *op)
{
	bool left = op->op_int[0] >= 0;
	uint64_t most = left ? (uint64_t)op->op_int[0] :
	    -(uint64_t)op->op_int[0];
	const struct kv_arg *a = &op->op_argv[3];
	char num[KV_NUMLEN];
	struct kv_arg is;

	op->op_left--;
	if (op->op_at != NULL) {
		pass(op, !left);
		return;
	}
	is = kv_ent_bytes(at(op, left ? 0 : count(op) - 1), num);
	if (is.a_len == a->a_len)
		op->op_cost += a->a_len >> 13;	/* the bytes to compare */
	if (is.a_len != a->a_len || memcmp(is.a_p, a->a_p, a->a_len) != 0) {
		pass(op, left);
		op->op_pos++;
		return;
	}
	pop(op, left);
	op->op_result++;
	if ((uint64_t)op->op_result == most) {
		op->op_at = op->op_obj;
		op->op_left = op->op_left > 0 ? (int64_t)op->op_pos : 0;
	}
}

/* LTRIM: of op_left elements to remove, op_pos are on the left. */
static void
ltrim(struct kv_op *op)
{
	int64_t first = op->op_int[0], last = op->op_int[1];

	op->op_left = count(op);
	if (kv_clip_range(count(op), &first, &last)) {
		op->op_pos = (uint64_t)first;
		op->op_left -= last - first + 1;
	}
	kv_say_ok(op->op_out);
}

/* Remove an element: first those on the left. */
static void
ltrim_each(struct kv_op *op)
{
	bool left = op->op_pos > 0;

	pop(op, left);
	op->op_pos -= left;
	op->op_left--;
}

static struct kv_cmd rows[] = {
	KV_KEY("lpush", -3, KV_WRITE | KV_DENYOOM | KV_FAST | KV_MAKE |
	    KV_ARGS | KV_SUM, NULL, .c_each = push_each, .c_how = LEFT),
	KV_KEY("rpush", -3, KV_WRITE | KV_DENYOOM | KV_FAST | KV_MAKE |
	    KV_ARGS | KV_SUM, NULL, .c_each = push_each),
	KV_KEY("lpop", -2, KV_WRITE | KV_FAST, pop_some, .c_parse = pop_parse,
	    .c_each = pop_each, .c_how = LEFT),
	KV_KEY("rpop", -2, KV_WRITE | KV_FAST, pop_some, .c_parse = pop_parse,
	    .c_each = pop_each),
	KV_KEY("llen", 2, KV_READ | KV_FAST, kv_card),
	KV_KEY("lrange", 4, KV_READ | KV_ARRAY, lrange, .c_ints = { 2, 3 },
	    .c_each = lrange_each),
	KV_KEY("lindex", 3, KV_READ, element),
	KV_KEY("lset", 4, KV_WRITE | KV_DENYOOM, element),
	KV_KEY("lrem", 4, KV_WRITE | KV_SUM, lrem, .c_ints = { 2 },
	    .c_each = lrem_each),
	KV_KEY("ltrim", 4, KV_WRITE, ltrim, .c_ints = { 2, 3 },
	    .c_each = ltrim_each),
};

const struct kv_family kv_list_family = KV_FAMILY("list", KV_LIST, rows);
