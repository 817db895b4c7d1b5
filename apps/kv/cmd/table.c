/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hashes and sets, and what sorted sets and lists share with them: a table of
 * names.  The value of a hash's field is a string, as a key's is.
 *
 * THEORY: every member, and every subset, is picked with the same chance.
 * kv_dict_random() picks one member.  Several different members are picked in
 * one pass, which takes each member with chance need/n, where n members are
 * left (selection sampling).  If few of many are wanted, they are picked at
 * random, and a repeated pick does not count.
 *
 * Source: Knuth, "The Art of Computer Programming" vol. 2, 3.4.2 algorithm S.
 */
#include "cmd/value.h"
#include "shard/ztree.h"

#define FEW		128	/* members, by random picks */

/* Find the element of a name, or NULL. */
struct kv_node *
kv_elem_find(struct kv_obj *obj, const struct kv_arg *name)
{
	return kv_dict_find(&obj->o_dict, kv_hash(name->a_p, name->a_len),
	    name->a_p, name->a_len);
}

/*
 * Find the element of a name.  If there is none, make one that is all zero, and
 * count it in op_result.
 */
static struct kv_node *
need_elem(struct kv_op *op, const struct kv_arg *name)
{
	struct kv_dict *d = &op->op_obj->o_dict;
	uint64_t hash = kv_hash(name->a_p, name->a_len);
	struct kv_node *n = kv_dict_find(d, hash, name->a_p, name->a_len);

	if (n != NULL)
		return n;
	op->op_result++;
	return kv_dict_add(d, hash, name->a_p, name->a_len);
}

/* Remove an element and free it. */
void
kv_elem_remove(struct kv_op *op, struct kv_node *n)
{
	struct kv_obj *obj = op->op_obj;

	if (obj->o_type == KV_ZSET)
		kv_zset_unlink(obj, (struct kv_member *)n);	/* ZTR1 */
	kv_dict_remove(&obj->o_dict, n);
	if (obj->o_type == KV_HASH || obj->o_type == KV_LIST)
		kv_ent_clear(op->op_db, (struct kv_ent *)n);
	kv_free(n);
}

/* HDEL, SREM, ZREM */
void
kv_remove_each(struct kv_op *op)
{
	struct kv_node *n = kv_elem_find(op->op_obj, kv_op_next(op));

	if (n != NULL) {
		kv_elem_remove(op, n);
		op->op_result++;
	}
}

/* LLEN, HLEN, SCARD, ZCARD */
void
kv_card(struct kv_op *op)
{
	kv_say_int(op->op_out, op->op_obj->o_dict.d_count);
}

/* HEXISTS, SISMEMBER */
static void
exists_each(struct kv_op *op)
{
	op->op_result = kv_elem_find(op->op_obj, kv_op_next(op)) != NULL;
}

/* Reply the name of an element. */
static void
say_name(struct kv_op *op, const struct kv_node *n)
{
	kv_say_bulk(op->op_out, kv_node_key(&op->op_obj->o_dict, n),
	    n->n_klen);
}

/* HGETALL, HKEYS, HVALS, SMEMBERS reply all elements: c_how says what. */
#define NAMES	KV_HOW1
#define VALUES	KV_HOW2
#define AS_SET	KV_HOW3

/* Begin to reply all elements. */
static void
walk(struct kv_op *op)
{
	op->op_left = op->op_obj->o_dict.d_count;
	if (op->op_words == (NAMES | VALUES))
		kv_say_many(op->op_out, '%', op->op_left);
	else if ((op->op_words & AS_SET) != 0)
		kv_say_many(op->op_out, '~', op->op_left);
	else
		kv_say_many(op->op_out, '*', op->op_left);
}

/* Reply an element: its name, its value, or both. */
static void
walk_visit(struct kv_node *n, void *arg)
{
	struct kv_op *op = arg;

	if ((op->op_words & NAMES) != 0)
		say_name(op, n);
	if ((op->op_words & VALUES) != 0)
		kv_say_value(op->op_out, (struct kv_ent *)n);
	op->op_left--;
}

/* HSET */
static void
hset_each(struct kv_op *op)
{
	struct kv_node *n = need_elem(op, kv_op_next(op));

	kv_ent_store(op->op_db, (struct kv_ent *)n, kv_op_next(op));
}

/* HGET, HMGET */
static void
hget_each(struct kv_op *op)
{
	kv_say_value(op->op_out, (struct kv_ent *)kv_elem_find(op->op_obj,
	    kv_op_next(op)));
}

/* HINCRBY */
static void
hincrby(struct kv_op *op)
{
	kv_ent_add(op, (struct kv_ent *)need_elem(op, &op->op_argv[2]),
	    op->op_int[0], "ERR hash value is not an integer");
}

/* SADD */
static void
sadd_each(struct kv_op *op)
{
	need_elem(op, kv_op_next(op));
}

/* Pick a random member of a set that is not empty. */
static struct kv_node *
pick(struct kv_op *op)
{
	return kv_dict_random(&op->op_obj->o_dict, &op->op_db->db_rng);
}

/* SPOP */
static void
spop(struct kv_op *op)
{
	int64_t n = op->op_obj->o_dict.d_count;

	op->op_left = op->op_int[0] < n ? op->op_int[0] : n;
	if (op->op_argc == 3)
		kv_say_many(op->op_out, '~', op->op_left);
	else if (n == 0)
		kv_say_nil(op->op_out);
}

/* Reply a random member, and remove it. */
static void
spop_each(struct kv_op *op)
{
	struct kv_node *n = pick(op);

	say_name(op, n);
	kv_elem_remove(op, n);
	op->op_left--;
}

/* Read the count of SRANDMEMBER, op_int[0]. */
static enum kv_ready
sample_parse(struct kv_op *op)
{
	if (op->op_argc > 3)
		return kv_op_fail(op, KV_E_SYNTAX);
	if (op->op_argc == 3 && !kv_arg_i64(&op->op_argv[2], &op->op_int[0]))
		return kv_op_fail(op, KV_E_INTEGER);
	if (op->op_int[0] < -INT64_MAX)
		return kv_op_fail(op, "ERR value is out of range, value must "
		    "between -9223372036854775807 and 9223372036854775807");
	return KV_READY;
}

/* Reply op_left different members, few of many. */
static void
sample_few(struct kv_op *op)
{
	const struct kv_node *taken[FEW];
	int64_t n = 0, i;

	while (n < op->op_left) {
		taken[n] = pick(op);
		for (i = 0; taken[i] != taken[n]; i++)
			continue;
		if (i == n)
			say_name(op, taken[n++]);
	}
	op->op_left = 0;
}

/* SRANDMEMBER: one, several different ones, or (a negative count) any ones. */
static void
sample(struct kv_op *op)
{
	int64_t n = op->op_obj->o_dict.d_count, want = op->op_int[0];

	if (op->op_argc == 2) {
		if (n > 0)
			say_name(op, pick(op));
		else
			kv_say_nil(op->op_out);
		return;
	}
	op->op_result = n;
	if (n > 0)
		op->op_left = want < 0 ? -want : want < n ? want : n;
	kv_say_many(op->op_out, '*', op->op_left);
	if (want > 0 && op->op_left < FEW && op->op_left < n / 3)
		sample_few(op);
}

/* Do a step of algorithm S: op_left members are needed, op_result are left. */
static void
sample_visit(struct kv_node *n, void *arg)
{
	struct kv_op *op = arg;

	if (kv_random_below(&op->op_db->db_rng, (uint64_t)op->op_result--) <
	    (uint64_t)op->op_left) {
		say_name(op, n);
		op->op_left--;
	}
}

/* Reply a random member (it may be repeated), or do steps of algorithm S. */
static void
sample_each(struct kv_op *op)
{
	if (op->op_int[0] < 0) {
		say_name(op, pick(op));
		op->op_left--;
	} else {
		kv_op_scan(op, sample_visit);
	}
}

static struct kv_cmd hash_rows[] = {
	KV_KEY("hset", -4, KV_WRITE | KV_DENYOOM | KV_FAST | KV_MAKE |
	    KV_ARGS | KV_SUM | KV_PAIRS, NULL, .c_each = hset_each),
	KV_KEY("hget", 3, KV_READ | KV_FAST | KV_ARGS, NULL,
	    .c_each = hget_each),
	KV_KEY("hmget", -3, KV_READ | KV_FAST | KV_ARGS | KV_ARRAY, NULL,
	    .c_each = hget_each),
	KV_KEY("hdel", -3, KV_WRITE | KV_FAST | KV_ARGS | KV_SUM, NULL,
	    .c_each = kv_remove_each),
	KV_KEY("hgetall", 2, KV_READ, walk, .c_visit = walk_visit,
	    .c_how = NAMES | VALUES),
	KV_KEY("hkeys", 2, KV_READ, walk, .c_visit = walk_visit,
	    .c_how = NAMES),
	KV_KEY("hvals", 2, KV_READ, walk, .c_visit = walk_visit,
	    .c_how = VALUES),
	KV_KEY("hlen", 2, KV_READ | KV_FAST, kv_card),
	KV_KEY("hexists", 3, KV_READ | KV_FAST | KV_ARGS | KV_SUM, NULL,
	    .c_each = exists_each),
	KV_KEY("hincrby", 4, KV_WRITE | KV_DENYOOM | KV_FAST | KV_MAKE,
	    hincrby, .c_ints = { 3 }),
};

static struct kv_cmd set_rows[] = {
	KV_KEY("sadd", -3, KV_WRITE | KV_DENYOOM | KV_FAST | KV_MAKE |
	    KV_ARGS | KV_SUM, NULL, .c_each = sadd_each),
	KV_KEY("srem", -3, KV_WRITE | KV_FAST | KV_ARGS | KV_SUM, NULL,
	    .c_each = kv_remove_each),
	KV_KEY("sismember", 3, KV_READ | KV_FAST | KV_ARGS | KV_SUM, NULL,
	    .c_each = exists_each),
	KV_KEY("smembers", 2, KV_READ, walk, .c_visit = walk_visit,
	    .c_how = NAMES | AS_SET),
	KV_KEY("scard", 2, KV_READ | KV_FAST, kv_card),
	KV_KEY("spop", -2, KV_WRITE | KV_FAST, spop, .c_parse = kv_op_count,
	    .c_each = spop_each),
	KV_KEY("srandmember", -2, KV_READ, sample, .c_parse = sample_parse,
	    .c_each = sample_each),
};

const struct kv_family kv_hash_family =
    KV_FAMILY("hash", KV_HASH, hash_rows);
const struct kv_family kv_set_family = KV_FAMILY("set", KV_SET, set_rows);
