/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets: a table of members.
 *
 * THEORY: picks are fair.  One member comes from kv_dict_random.  Several
 * different ones come from one pass in which each of the n members left is
 * taken with chance need/n (selection sampling: every subset is as likely),
 * or, when few of many are wanted, from random picks that are told apart by a
 * small table of those taken.
 *
 * Source: Knuth, "The Art of Computer Programming" vol. 2, 3.4.2 algorithm S.
 */
#include "command.h"

#include <string.h>

#define REPEAT_MAX	INT32_MAX	/* members asked for with repetition */

struct member {
	struct kv_node	m_node;
	char		m_name[];
};

static struct kv_dict *
dict(struct kv_obj *obj)
{
	return &((struct kv_table *)obj)->t_dict;
}

static struct kv_node *
find(struct kv_obj *obj, const struct kv_arg *name)
{
	if (obj == NULL)
		return NULL;
	return kv_dict_find(dict(obj), kv_hash(name->a_p, name->a_len),
	    name->a_p, name->a_len);
}

static bool
add(struct kv_dict *d, const char *name, size_t len)
{
	uint64_t hash = kv_hash(name, len);
	struct member *m;

	if (kv_dict_find(d, hash, name, len) != NULL)
		return false;
	m = kv_alloc(sizeof(*m) + len);
	m->m_node.n_klen = (uint32_t)len;
	memcpy(m->m_name, name, len);
	kv_dict_insert(d, &m->m_node, hash);
	return true;
}

static void
reply_member(struct kv_op *op, const struct kv_node *n)
{
	kv_reply_bulk(op->op_out, ((const struct member *)n)->m_name,
	    n->n_klen);
}

static int64_t
count_of(struct kv_obj *obj)
{
	return obj != NULL ? (int64_t)kv_obj_count(obj) : 0;
}

int
kv_cmd_sadd(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_SET, true, &obj);

	if (st != KV_GO)
		return st;
	if (obj == NULL)
		obj = kv_op_create(db, op, kv_table_new(KV_SET,
		    offsetof(struct member, m_name),
		    sizeof(struct kv_table)));
	for (int n = 0; (int)op->op_pos + 2 < op->op_argc; op->op_pos++) {
		const struct kv_arg *a = &op->op_argv[op->op_pos + 2];

		if (n++ == KV_SLICE)
			return kv_op_pause(op, obj, true);
		op->op_result += add(dict(obj), a->a_p, a->a_len);
	}
	kv_reply_int(op->op_out, op->op_result);
	return kv_op_close(db, op, obj);
}

int
kv_cmd_srem(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_SET, true, &obj);

	if (st != KV_GO)
		return st;
	for (int n = 0; obj != NULL && (int)op->op_pos + 2 < op->op_argc;
	    op->op_pos++) {
		struct kv_node *m;

		if (n++ == KV_SLICE)
			return kv_op_pause(op, obj, true);
		m = find(obj, &op->op_argv[op->op_pos + 2]);
		if (m != NULL) {
			kv_dict_remove(dict(obj), m);
			kv_free(m);
			op->op_result++;
		}
	}
	kv_reply_int(op->op_out, op->op_result);
	return kv_op_close(db, op, obj);
}

int
kv_cmd_sismember(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_SET, false, &obj);

	if (st != KV_GO)
		return st;
	kv_reply_int(op->op_out, find(obj, &op->op_argv[2]) != NULL);
	return KV_DONE;
}

int
kv_cmd_scard(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_SET, false, &obj);

	if (st != KV_GO)
		return st;
	kv_reply_int(op->op_out, count_of(obj));
	return KV_DONE;
}

static void
visit_all(struct kv_node *n, void *arg)
{
	struct kv_op *op = arg;

	reply_member(op, n);
	op->op_left--;
}

int
kv_cmd_smembers(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_SET, false, &obj);

	if (st != KV_GO)
		return st;
	if (op->op_pin == NULL) {
		op->op_left = count_of(obj);
		kv_reply_set(op->op_out, (uint64_t)op->op_left);
	}
	for (int i = 0; op->op_left > 0; i++) {
		if (i == KV_SLICE)
			return kv_op_pause(op, obj, false);
		op->op_pos = kv_dict_scan(dict(obj), op->op_pos, visit_all,
		    op);
	}
	return kv_op_close(db, op, obj);
}

static void
pop_one(struct kv_db *db, struct kv_op *op, struct kv_obj *obj)
{
	struct kv_node *n = kv_dict_random(dict(obj), &db->db_rng);

	reply_member(op, n);
	kv_dict_remove(dict(obj), n);
	kv_free(n);
}

int
kv_cmd_spop(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int64_t max = 1;
	int st;

	if (op->op_argc > 3)
		return kv_op_syntax(op);
	if (op->op_argc == 3 && !kv_op_count(op, 2, &max))
		return KV_DONE;
	st = kv_op_open(db, op, KV_SET, true, &obj);
	if (st != KV_GO)
		return st;
	if (op->op_argc == 2) {
		if (obj != NULL)
			pop_one(db, op, obj);
		else
			kv_reply_null(op->op_out);
		return kv_op_close(db, op, obj);
	}
	if (op->op_pin == NULL) {
		op->op_left = max < count_of(obj) ? max : count_of(obj);
		kv_reply_set(op->op_out, (uint64_t)op->op_left);
	}
	for (int n = 0; op->op_left > 0; op->op_left--) {
		if (n++ == KV_SLICE / 4)
			return kv_op_pause(op, obj, true);
		pop_one(db, op, obj);
	}
	return kv_op_close(db, op, obj);
}

struct sampling {
	struct kv_db	*s_db;
	struct kv_op	*s_op;
};

/* One step of algorithm S: op_left still needed, op_result still to come. */
static void
visit_sample(struct kv_node *n, void *arg)
{
	struct sampling *s = arg;
	struct kv_op *op = s->s_op;

	if (kv_random_below(&s->s_db->db_rng, (uint64_t)op->op_result--) <
	    (uint64_t)op->op_left) {
		reply_member(op, n);
		op->op_left--;
	}
}

/* Up to KV_SLICE different members, few beside what there is. */
static void
sample_few(struct kv_db *db, struct kv_op *op, struct kv_obj *obj)
{
	struct kv_dict taken;

	kv_dict_init(&taken, offsetof(struct member, m_name));
	while (op->op_left > 0) {
		struct kv_node *n = kv_dict_random(dict(obj), &db->db_rng);

		if (add(&taken, ((struct member *)n)->m_name, n->n_klen)) {
			reply_member(op, n);
			op->op_left--;
		}
	}
	while (kv_dict_drain(&taken, KV_SLICE, kv_member_free, NULL) > 0)
		continue;
}

static int
sample_different(struct kv_db *db, struct kv_op *op, struct kv_obj *obj)
{
	struct sampling s = { db, op };

	if (op->op_pin == NULL) {
		op->op_result = count_of(obj);
		if (op->op_left > op->op_result)
			op->op_left = op->op_result;
		kv_reply_array(op->op_out, (uint64_t)op->op_left);
		if (op->op_left < KV_SLICE / 4 &&
		    op->op_left < op->op_result / 3)
			sample_few(db, op, obj);
	}
	for (int i = 0; op->op_left > 0; i++) {
		if (i == KV_SLICE)
			return kv_op_pause(op, obj, false);
		op->op_pos = kv_dict_scan(dict(obj), op->op_pos, visit_sample,
		    &s);
	}
	return kv_op_close(db, op, obj);
}

/* Members that may repeat. */
static int
sample_any(struct kv_db *db, struct kv_op *op, struct kv_obj *obj)
{
	if (op->op_pin == NULL)
		kv_reply_array(op->op_out, (uint64_t)op->op_left);
	for (int n = 0; op->op_left > 0; op->op_left--) {
		if (n++ == KV_SLICE / 4)
			return kv_op_pause(op, obj, false);
		reply_member(op, kv_dict_random(dict(obj), &db->db_rng));
	}
	return kv_op_close(db, op, obj);
}

int
kv_cmd_srandmember(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int64_t count = 1;
	int st;

	if (op->op_argc > 3)
		return kv_op_syntax(op);
	if (op->op_argc == 3) {
		if (!kv_op_i64(op, 2, &count))
			return KV_DONE;
		if (count < -REPEAT_MAX) {
			kv_reply_error(op->op_out, "ERR value is out of "
			    "range");
			return KV_DONE;
		}
	}
	st = kv_op_open(db, op, KV_SET, false, &obj);
	if (st != KV_GO)
		return st;
	if (op->op_argc == 2) {
		if (obj != NULL)
			reply_member(op, kv_dict_random(dict(obj),
			    &db->db_rng));
		else
			kv_reply_null(op->op_out);
		return KV_DONE;
	}
	if (obj == NULL || count == 0) {
		kv_reply_array(op->op_out, 0);
		return KV_DONE;
	}
	if (op->op_pin == NULL)
		op->op_left = count < 0 ? -count : count;
	return count < 0 ? sample_any(db, op, obj) :
	    sample_different(db, op, obj);
}
