/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists: references to strings in chunks, and a ring of pointers to those.
 *
 * THEORY: place i of a list is place l_first + i of the ring, so an index is
 * found at once, and pushing on either side touches one chunk; when the ring is
 * full it is copied to one of twice the size, 8 bytes for each CHUNK elements.
 *
 * INVARIANTS
 * I1 l_cap is 0 or a power of two, of chunks.
 * I2 exactly the chunks of places 0 to l_count - 1 exist.
 */
#include "db.h"

#include <string.h>

#define CHUNK	128u		/* elements; with it a chunk is 1 KB */

#define LEFT	KV_HOW1		/* c_how: the side of the list */

static inline struct kv_blob ***
chunk(struct kv_list *l, uint64_t i)
{
	return &l->l_chunks[(l->l_first + i) / CHUNK & (l->l_cap - 1)];
}

static inline struct kv_blob **
at(struct kv_list *l, uint64_t i)
{
	return &(*chunk(l, i))[(l->l_first + i) % CHUNK];
}

/* A ring of twice the size, with the first chunk in front. */
static void
grow(struct kv_list *l)
{
	uint32_t cap = l->l_cap > 0 ? l->l_cap * 2 : 2;
	struct kv_blob ***chunks = kv_zalloc(cap * sizeof(*chunks));

	for (uint64_t c = 0; c < l->l_cap; c++)
		chunks[c] = *chunk(l, c * CHUNK);
	kv_free(l->l_chunks);
	l->l_chunks = chunks;
	l->l_cap = cap;
	l->l_first %= CHUNK;
}

static void
push(struct kv_list *l, bool left, struct kv_blob *b)
{
	struct kv_blob ***ch;

	/* The elements may begin and end within a chunk. */
	if (l->l_count + CHUNK > (uint64_t)l->l_cap * CHUNK)
		grow(l);
	if (left)
		l->l_first = (l->l_first - 1) & (l->l_cap * CHUNK - 1);
	ch = chunk(l, left ? 0 : l->l_count);
	if (*ch == NULL)
		*ch = kv_alloc(CHUNK * sizeof(**ch));
	*at(l, left ? 0 : l->l_count++) = b;
	l->l_count += left;
}

/* Take the first or last element of a list that is not empty. */
static struct kv_blob *
pop(struct kv_list *l, bool left)
{
	uint64_t i = left ? 0 : l->l_count - 1;
	bool at_end = (l->l_first + i) % CHUNK == (left ? CHUNK - 1 : 0);
	struct kv_blob ***ch = chunk(l, i), *b = *at(l, i);

	l->l_count--;
	if (at_end || l->l_count == 0) {
		kv_free(*ch);
		*ch = NULL;
	}
	l->l_first += left;
	return b;
}

/* Free up to max elements; 0: there are none, nor any memory. */
size_t
kv_list_drain(struct kv_obj *obj, size_t max)
{
	struct kv_list *l = &obj->o_list;
	size_t n;

	for (n = 0; n < max && l->l_count > 0; n++)
		kv_blob_unref(pop(l, true));
	if (n == 0)
		kv_free(l->l_chunks);
	return n;
}

static void
push_each(struct kv_op *op)
{
	struct kv_list *l = &op->op_obj->o_list;

	push(l, op->op_words == LEFT, kv_blob_arg(kv_op_next(op)));
	op->op_result = (int64_t)l->l_count;
}

static enum kv_go
pop_parse(struct kv_op *op)
{
	return op->op_argc > 3 ? kv_op_arity(op) : kv_op_count(op);
}

static void
pop_some(struct kv_op *op)
{
	int64_t n = (int64_t)op->op_obj->o_list.l_count;

	op->op_left = op->op_int[0] < n ? op->op_int[0] : n;
	if (op->op_argc == 2 && n == 0)
		kv_say_nil(op->op_out);
	else if (op->op_argc == 3 && n == 0)
		kv_say_many(op->op_out, '*', -1);
	else if (op->op_argc == 3)
		kv_say_many(op->op_out, '*', op->op_left);
}

static void
pop_each(struct kv_op *op)
{
	struct kv_blob *b = pop(&op->op_obj->o_list, op->op_words == LEFT);

	kv_say_blob(op->op_out, b);
	kv_blob_unref(b);
	op->op_left--;
}

static void
lrange(struct kv_op *op)
{
	int64_t first = op->op_int[0], last = op->op_int[1];

	if (kv_clip_range((int64_t)op->op_obj->o_list.l_count, &first, &last))
		op->op_left = last - first + 1;
	op->op_pos = (uint64_t)first;
}

static void
lrange_each(struct kv_op *op)
{
	kv_say_blob(op->op_out, *at(&op->op_obj->o_list, op->op_pos++));
	op->op_left--;
}

/* The element that argument 2 says, negative from the end; NULL: none. */
static struct kv_blob **
element(struct kv_op *op)
{
	struct kv_list *l = &op->op_obj->o_list;
	int64_t i = op->op_int[0];

	if (i < 0)
		i += (int64_t)l->l_count;
	return i >= 0 && (uint64_t)i < l->l_count ? at(l, (uint64_t)i) : NULL;
}

static void
lindex(struct kv_op *op)
{
	struct kv_blob **b;

	if (op->op_obj->o_list.l_count == 0) {
		kv_say_nil(op->op_out);
	} else if (kv_op_int(op, 2, &op->op_int[0])) {
		b = element(op);
		if (b != NULL)
			kv_say_blob(op->op_out, *b);
		else
			kv_say_nil(op->op_out);
	}
}

static void
lset(struct kv_op *op)
{
	struct kv_blob **b;

	if (op->op_obj->o_list.l_count == 0) {
		kv_op_fail(op, KV_E_NOKEY);
	} else if (kv_op_int(op, 2, &op->op_int[0])) {
		b = element(op);
		if (b == NULL) {
			kv_op_fail(op, "ERR index out of range");
			return;
		}
		kv_blob_unref(*b);
		*b = kv_blob_arg(&op->op_argv[3]);
		kv_say_ok(op->op_out);
	}
}

static void
lrem(struct kv_op *op)
{
	op->op_left = (int64_t)op->op_obj->o_list.l_count;
}

/*
 * Look at the elements by passing them from one end to the other, except those
 * that go.  When all have been passed they are in order again; when enough are
 * found before that, those passed go back (op_at).
 */
static void
lrem_each(struct kv_op *op)
{
	struct kv_list *l = &op->op_obj->o_list;
	const struct kv_arg *a = &op->op_argv[3];
	bool left = op->op_int[0] >= 0;
	struct kv_blob *b;

	op->op_left--;
	if (op->op_at != NULL) {
		push(l, left, pop(l, !left));
		return;
	}
	op->op_pos++;
	b = pop(l, left);
	if (b->b_len != a->a_len || memcmp(b->b_data, a->a_p, a->a_len) != 0) {
		push(l, !left, b);
		return;
	}
	kv_blob_unref(b);
	op->op_result++;
	if (op->op_result == op->op_int[0] ||
	    op->op_result == -op->op_int[0]) {
		if (op->op_left > 0)
			op->op_left = (int64_t)op->op_pos - op->op_result;
		op->op_at = l;
	}
}

/* op_pos elements go on the left, the other op_left on the right. */
static void
ltrim(struct kv_op *op)
{
	int64_t first = op->op_int[0], last = op->op_int[1];
	int64_t n = (int64_t)op->op_obj->o_list.l_count;

	op->op_left = n;
	if (kv_clip_range(n, &first, &last)) {
		op->op_pos = (uint64_t)first;
		op->op_left = first + n - 1 - last;
	}
	kv_say_ok(op->op_out);
}

static void
ltrim_each(struct kv_op *op)
{
	bool left = op->op_pos > 0;

	kv_blob_unref(pop(&op->op_obj->o_list, left));
	op->op_pos -= left;
	op->op_left--;
}

static struct kv_cmd rows[] = {
	KV_KEY("lpush", -3, "wmFcns", NULL, "1.0.0",
	    "Push elements on the left", .c_each = push_each, .c_how = LEFT),
	KV_KEY("rpush", -3, "wmFcns", NULL, "1.0.0",
	    "Push elements on the right", .c_each = push_each),
	KV_KEY("lpop", -2, "wF", pop_some, "1.0.0",
	    "Pop elements from the left", .c_parse = pop_parse,
	    .c_each = pop_each, .c_how = LEFT),
	KV_KEY("rpop", -2, "wF", pop_some, "1.0.0",
	    "Pop elements from the right", .c_parse = pop_parse,
	    .c_each = pop_each),
	KV_KEY("llen", 2, "rF", kv_card, "1.0.0", "The length of a list"),
	KV_KEY("lrange", 4, "rh", lrange, "1.0.0", "A range of elements",
	    .c_ints = "23", .c_each = lrange_each),
	KV_KEY("lindex", 3, "r", lindex, "1.0.0", "One element by its index"),
	KV_KEY("lset", 4, "wm", lset, "1.0.0", "Set one element by its index"),
	KV_KEY("lrem", 4, "ws", lrem, "1.0.0",
	    "Remove elements that equal a value", .c_ints = "2",
	    .c_each = lrem_each),
	KV_KEY("ltrim", 4, "w", ltrim, "1.0.0",
	    "Remove all but a range of elements", .c_ints = "23",
	    .c_each = ltrim_each),
};

const struct kv_family kv_list_family = KV_FAMILY("list", KV_LIST, rows);
