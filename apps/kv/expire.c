/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When keys end: a binary heap of the keys that have an end, next one first.
 *
 * THEORY: an entry knows its place in the heap, so changing or removing an end
 * is O(log n), and the time is in the heap, so keys without an end pay four
 * bytes.  A key whose time is over is deleted by whoever finds it (kv_db_find)
 * and by the shard's thread of low priority (kv_expire_some), whichever comes
 * first; no command ever sees it.
 *
 * INVARIANTS
 * I1 heap[i].t_when <= heap[2i].t_when and heap[2i+1].t_when.
 * I2 heap[i].t_ent->e_timer == i.
 */
#include "db.h"

#include <assert.h>

struct kv_timer {
	int64_t		 t_when;	/* ms since 1970 */
	struct kv_ent	*t_ent;
};

static void
place(struct kv_db *db, uint32_t i, struct kv_timer t)
{
	db->db_heap[i] = t;
	t.t_ent->e_timer = i;					/* I2 */
}

/* Put t where it belongs, starting from the free place i (I1). */
static void
sift(struct kv_db *db, uint32_t i, struct kv_timer t)
{
	struct kv_timer *heap = db->db_heap;
	uint32_t child;

	for (; i > 1 && heap[i / 2].t_when > t.t_when; i /= 2)
		place(db, i, heap[i / 2]);
	for (; (child = 2 * i) <= db->db_timers; i = child) {
		if (child < db->db_timers &&
		    heap[child + 1].t_when < heap[child].t_when)
			child++;
		if (heap[child].t_when >= t.t_when)
			break;
		place(db, i, heap[child]);
	}
	place(db, i, t);
}

static void
heap_remove(struct kv_db *db, uint32_t i)
{
	struct kv_timer last = db->db_heap[db->db_timers--];

	if (i <= db->db_timers)
		sift(db, i, last);
	if (db->db_timers == 0) {
		kv_free(db->db_heap);
		db->db_heap = NULL;
		db->db_captimers = 0;
	}
}

/* The key ends then; KV_NEVER: it does not. */
void
kv_expire_set(struct kv_db *db, struct kv_ent *e, int64_t when)
{
	uint32_t i = e->e_timer;

	if (when == KV_NEVER) {
		if (i != 0)
			heap_remove(db, i);
		e->e_timer = 0;
		return;
	}
	if (i == 0 && (i = ++db->db_timers) >= db->db_captimers) {
		db->db_captimers = i < 8 ? 16 : i * 2;
		db->db_heap = kv_realloc(db->db_heap,
		    db->db_captimers * sizeof(db->db_heap[0]));
	}
	sift(db, i, (struct kv_timer){ when, e });
}

int64_t
kv_expire_get(const struct kv_db *db, const struct kv_ent *e)
{
	if (e->e_timer == 0)
		return KV_NEVER;
	assert(db->db_heap[e->e_timer].t_ent == e);		/* I2 */
	return db->db_heap[e->e_timer].t_when;
}

/* When the next key of the shard ends. */
int64_t
kv_expire_next(const struct kv_db *db)
{
	return db->db_timers > 0 ? db->db_heap[1].t_when : KV_NEVER;
}

/* Delete up to max keys whose time is over. */
void
kv_expire_some(struct kv_db *db, size_t max)
{
	while (max-- > 0 && kv_expire_next(db) <= db->db_now) {
		kv_db_del(db, db->db_heap[1].t_ent);
		db->db_count[KV_N_EXPIRED]++;
	}
}

/*
 * The time that an argument gives, as op_words say, in ms since 1970.  A reply
 * says what is wrong with it, if anything.
 */
enum kv_go
kv_expire_parse(struct kv_op *op, int arg, int64_t *whenp)
{
	bool seconds = (op->op_words & (KV_EX | KV_EXAT)) != 0;
	bool absolute = (op->op_words & (KV_EXAT | KV_PXAT)) != 0;
	int64_t t;

	if (!kv_op_int(op, arg, &t))
		return KV_DONE;
	if ((seconds && __builtin_mul_overflow(t, 1000, &t)) ||
	    (!absolute && __builtin_add_overflow(t, op->op_db->db_now, &t))) {
		kv_say_error(op->op_out, KV_E_WHEN, op->op_cmd->c_name);
		return KV_DONE;
	}
	*whenp = t < KV_NEVER ? t : KV_NEVER - 1;
	return KV_GO;
}
