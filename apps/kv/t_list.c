/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists: a chain of chunks of references to strings.
 *
 * THEORY: pushing and popping touch the chunk at that end; a chunk made for a
 * push on the left is filled from its end, one for the right from its start.
 * An index is found by hopping over whole chunks from the nearer end.
 *
 * INVARIANTS
 * I1 no chunk is empty; l_count is the sum over the chunks.
 * I2 ch_first + ch_count <= CHUNK.
 */
#include "command.h"

#include <bsd/sys/queue.h>
#include <string.h>

#define CHUNK	126		/* with it a chunk is 1 KB */

struct chunk {
	TAILQ_ENTRY(chunk)	 ch_link;
	uint16_t		 ch_first, ch_count;
	struct kv_blob		*ch_elem[CHUNK];
};

struct list {
	struct kv_obj		 l_obj;
	TAILQ_HEAD(chunks, chunk) l_chunks;
	uint64_t		 l_count;
};

/* A place in a list: an element of a chunk. */
struct place {
	struct chunk	*p_chunk;
	unsigned int	 p_i;		/* from ch_first */
};

static struct kv_obj *
list_new(void)
{
	struct list *l = kv_zalloc(sizeof(*l));

	l->l_obj.o_type = KV_LIST;
	TAILQ_INIT(&l->l_chunks);
	return &l->l_obj;
}

uint64_t
kv_list_count(const struct kv_obj *obj)
{
	return ((const struct list *)obj)->l_count;
}

static struct kv_blob **
at(struct place p)
{
	return &p.p_chunk->ch_elem[p.p_chunk->ch_first + p.p_i];
}

static struct chunk *
chunk_new(unsigned int first)
{
	struct chunk *ch = kv_alloc(sizeof(*ch));

	ch->ch_first = (uint16_t)first;
	ch->ch_count = 0;
	return ch;
}

static void
push(struct list *l, bool left, struct kv_blob *b)
{
	struct chunk *ch;

	if (left) {
		ch = TAILQ_FIRST(&l->l_chunks);
		if (ch == NULL || ch->ch_first == 0) {
			ch = chunk_new(CHUNK);
			TAILQ_INSERT_HEAD(&l->l_chunks, ch, ch_link);
		}
		ch->ch_elem[--ch->ch_first] = b;
	} else {
		ch = TAILQ_LAST(&l->l_chunks, chunks);
		if (ch == NULL || ch->ch_first + ch->ch_count == CHUNK) {
			ch = chunk_new(0);
			TAILQ_INSERT_TAIL(&l->l_chunks, ch, ch_link);
		}
		ch->ch_elem[ch->ch_first + ch->ch_count] = b;
	}
	ch->ch_count++;
	l->l_count++;
}

static void
drop_chunk(struct list *l, struct chunk *ch)
{
	TAILQ_REMOVE(&l->l_chunks, ch, ch_link);
	kv_free(ch);
}

/* Take the first or last element of a list that is not empty. */
static struct kv_blob *
pop(struct list *l, bool left)
{
	struct chunk *ch = left ? TAILQ_FIRST(&l->l_chunks) :
	    TAILQ_LAST(&l->l_chunks, chunks);
	struct kv_blob *b;

	l->l_count--;
	ch->ch_count--;
	b = ch->ch_elem[ch->ch_first + (left ? 0 : ch->ch_count)];
	ch->ch_first += left;
	if (ch->ch_count == 0)
		drop_chunk(l, ch);
	return b;
}

size_t
kv_list_drain(struct kv_obj *obj, size_t max)
{
	struct list *l = (struct list *)obj;
	size_t n;

	for (n = 0; n < max && l->l_count > 0; n++)
		kv_blob_unref(pop(l, true));
	return n;
}

/* Element i, which exists, from the end that is nearer. */
static struct place
find(struct list *l, uint64_t i)
{
	struct place p;
	uint64_t first;

	if (i < l->l_count / 2) {
		p.p_chunk = TAILQ_FIRST(&l->l_chunks);
		for (first = 0; i >= first + p.p_chunk->ch_count;
		    p.p_chunk = TAILQ_NEXT(p.p_chunk, ch_link))
			first += p.p_chunk->ch_count;
	} else {
		p.p_chunk = TAILQ_LAST(&l->l_chunks, chunks);
		first = l->l_count - p.p_chunk->ch_count;
		while (i < first) {
			p.p_chunk = TAILQ_PREV(p.p_chunk, chunks, ch_link);
			first -= p.p_chunk->ch_count;
		}
	}
	p.p_i = (unsigned int)(i - first);
	return p;
}

/* Remove an element; p is behind it then, or before it if that is back. */
static void
remove_at(struct list *l, struct place *p, bool back)
{
	struct chunk *ch = p->p_chunk;
	struct kv_blob **e = at(*p);

	kv_blob_unref(*e);
	memmove(e, e + 1, (ch->ch_count - p->p_i - 1) * sizeof(*e));
	ch->ch_count--;
	l->l_count--;
	if (ch->ch_count == 0) {
		p->p_chunk = back ? TAILQ_PREV(ch, chunks, ch_link) :
		    TAILQ_NEXT(ch, ch_link);
		p->p_i = back && p->p_chunk != NULL ?
		    p->p_chunk->ch_count - 1 : 0;
		drop_chunk(l, ch);
	} else if (back && p->p_i == 0) {
		p->p_chunk = TAILQ_PREV(ch, chunks, ch_link);
		if (p->p_chunk != NULL)
			p->p_i = p->p_chunk->ch_count - 1;
	} else if (back) {
		p->p_i--;
	} else if (p->p_i == ch->ch_count) {
		p->p_chunk = TAILQ_NEXT(ch, ch_link);
		p->p_i = 0;
	}
}

static void
step(struct place *p, bool back)
{
	if (back && p->p_i > 0) {
		p->p_i--;
	} else if (back) {
		p->p_chunk = TAILQ_PREV(p->p_chunk, chunks, ch_link);
		if (p->p_chunk != NULL)
			p->p_i = p->p_chunk->ch_count - 1;
	} else if (++p->p_i == p->p_chunk->ch_count) {
		p->p_chunk = TAILQ_NEXT(p->p_chunk, ch_link);
		p->p_i = 0;
	}
}

static int
push_all(struct kv_db *db, struct kv_op *op, bool left)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_LIST, true, &obj);

	if (st != KV_GO)
		return st;
	if (obj == NULL)
		obj = kv_op_create(db, op, list_new());
	for (int n = 0; (int)op->op_pos + 2 < op->op_argc; op->op_pos++) {
		if (n++ == KV_SLICE)
			return kv_op_pause(op, obj, true);
		push((struct list *)obj, left,
		    kv_blob_arg(&op->op_argv[op->op_pos + 2]));
	}
	kv_reply_int(op->op_out, (int64_t)kv_list_count(obj));
	return kv_op_close(db, op, obj);
}

int
kv_cmd_lpush(struct kv_db *db, struct kv_op *op)
{
	return push_all(db, op, true);
}

int
kv_cmd_rpush(struct kv_db *db, struct kv_op *op)
{
	return push_all(db, op, false);
}

static void
reply_pop(struct kv_op *op, struct list *l, bool left)
{
	struct kv_blob *b = pop(l, left);

	kv_reply_blob(op->op_out, b);
	kv_blob_unref(b);
}

static int
pop_some(struct kv_db *db, struct kv_op *op, bool left)
{
	struct kv_obj *obj;
	struct list *l;
	int64_t max = 1;
	int st;

	if (op->op_argc > 3)
		return kv_op_arity(op);
	if (op->op_argc == 3 && !kv_op_count(op, 2, &max))
		return KV_DONE;
	st = kv_op_open(db, op, KV_LIST, true, &obj);
	if (st != KV_GO)
		return st;
	l = (struct list *)obj;
	if (obj == NULL && op->op_argc == 3) {
		kv_reply_null_array(op->op_out);
	} else if (obj == NULL) {
		kv_reply_null(op->op_out);
	} else if (op->op_argc == 2) {
		reply_pop(op, l, left);
	} else {
		if (op->op_pin == NULL) {
			op->op_left = max < (int64_t)l->l_count ? max :
			    (int64_t)l->l_count;
			kv_reply_array(op->op_out, (uint64_t)op->op_left);
		}
		for (int n = 0; op->op_left > 0; op->op_left--) {
			if (n++ == KV_SLICE)
				return kv_op_pause(op, obj, true);
			reply_pop(op, l, left);
		}
	}
	return kv_op_close(db, op, obj);
}

int
kv_cmd_lpop(struct kv_db *db, struct kv_op *op)
{
	return pop_some(db, op, true);
}

int
kv_cmd_rpop(struct kv_db *db, struct kv_op *op)
{
	return pop_some(db, op, false);
}

int
kv_cmd_llen(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_LIST, false, &obj);

	if (st != KV_GO)
		return st;
	kv_reply_int(op->op_out,
	    obj != NULL ? (int64_t)kv_list_count(obj) : 0);
	return KV_DONE;
}

int
kv_cmd_lrange(struct kv_db *db, struct kv_op *op)
{
	int64_t start, end;
	struct kv_obj *obj;
	struct place p;
	int st;

	if (!kv_op_i64(op, 2, &start) || !kv_op_i64(op, 3, &end))
		return KV_DONE;
	st = kv_op_open(db, op, KV_LIST, false, &obj);
	if (st != KV_GO)
		return st;
	if (op->op_pin == NULL) {
		if (!kv_clip_range(obj != NULL ? kv_list_count(obj) : 0,
		    &start, &end)) {
			kv_reply_array(op->op_out, 0);
			return KV_DONE;
		}
		op->op_left = end - start + 1;
		kv_reply_array(op->op_out, (uint64_t)op->op_left);
		p = find((struct list *)obj, (uint64_t)start);
	} else {
		p = (struct place){ op->op_at, (unsigned int)op->op_pos };
	}
	for (int n = 0; op->op_left > 0; op->op_left--) {
		if (n++ == KV_SLICE) {
			op->op_at = p.p_chunk;
			op->op_pos = p.p_i;
			return kv_op_pause(op, obj, false);
		}
		kv_reply_blob(op->op_out, *at(p));
		step(&p, false);
	}
	return kv_op_close(db, op, obj);
}

/* An index of a client's, negative from the end, in *ip; false: not there. */
static bool
index_ok(const struct list *l, int64_t i, uint64_t *ip)
{
	if (i < 0)
		i += (int64_t)l->l_count;
	*ip = (uint64_t)i;
	return i >= 0 && *ip < l->l_count;
}

int
kv_cmd_lindex(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int64_t want;
	uint64_t i;
	int st = kv_op_open(db, op, KV_LIST, false, &obj);

	if (st != KV_GO)
		return st;
	if (obj == NULL)
		kv_reply_null(op->op_out);
	else if (!kv_op_i64(op, 2, &want))
		return KV_DONE;
	else if (!index_ok((struct list *)obj, want, &i))
		kv_reply_null(op->op_out);
	else
		kv_reply_blob(op->op_out, *at(find((struct list *)obj, i)));
	return KV_DONE;
}

int
kv_cmd_lset(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	struct kv_blob **e;
	int64_t want;
	uint64_t i;
	int st = kv_op_open(db, op, KV_LIST, true, &obj);

	if (st != KV_GO)
		return st;
	if (obj == NULL) {
		kv_reply_error(op->op_out, "ERR no such key");
	} else if (!kv_op_i64(op, 2, &want)) {
		return KV_DONE;
	} else if (!index_ok((struct list *)obj, want, &i)) {
		kv_reply_error(op->op_out, "ERR index out of range");
	} else {
		e = at(find((struct list *)obj, i));
		kv_blob_unref(*e);
		*e = kv_blob_arg(&op->op_argv[3]);
		kv_reply_status(op->op_out, "OK");
	}
	return KV_DONE;
}

static bool
same(const struct kv_blob *b, const struct kv_arg *a)
{
	return b->b_len == a->a_len && memcmp(b->b_data, a->a_p, a->a_len) == 0;
}

int
kv_cmd_lrem(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	struct list *l;
	struct place p;
	int64_t count;
	int st;

	if (!kv_op_i64(op, 2, &count))
		return KV_DONE;
	st = kv_op_open(db, op, KV_LIST, true, &obj);
	if (st != KV_GO)
		return st;
	l = (struct list *)obj;
	if (op->op_pin != NULL)
		p = (struct place){ op->op_at, (unsigned int)op->op_pos };
	else if (obj != NULL)
		p = find(l, count < 0 ? l->l_count - 1 : 0);
	else
		p = (struct place){ NULL, 0 };
	for (int n = 0; p.p_chunk != NULL; n++) {
		if (n == KV_SLICE) {
			op->op_at = p.p_chunk;
			op->op_pos = p.p_i;
			return kv_op_pause(op, obj, true);
		}
		if (!same(*at(p), &op->op_argv[3])) {
			step(&p, count < 0);
			continue;
		}
		remove_at(l, &p, count < 0);
		op->op_result++;
		if (op->op_result == count || op->op_result == -count)
			break;
	}
	kv_reply_int(op->op_out, op->op_result);
	return kv_op_close(db, op, obj);
}

int
kv_cmd_ltrim(struct kv_db *db, struct kv_op *op)
{
	int64_t start, end, len;
	struct kv_obj *obj;
	struct list *l;
	int st;

	if (!kv_op_i64(op, 2, &start) || !kv_op_i64(op, 3, &end))
		return KV_DONE;
	st = kv_op_open(db, op, KV_LIST, true, &obj);
	if (st != KV_GO)
		return st;
	if (op->op_pin == NULL) {
		/* op_pos to go on the left, op_left on the right */
		len = obj != NULL ? (int64_t)kv_list_count(obj) : 0;
		op->op_pos = (uint64_t)len;
		if (kv_clip_range((uint64_t)len, &start, &end)) {
			op->op_pos = (uint64_t)start;
			op->op_left = len - 1 - end;
		}
	}
	l = (struct list *)obj;
	for (int n = 0; op->op_pos > 0 || op->op_left > 0;) {
		bool left = op->op_pos > 0;

		if (n++ == KV_SLICE)
			return kv_op_pause(op, obj, true);
		kv_blob_unref(pop(l, left));
		op->op_pos -= left;
		op->op_left -= !left;
	}
	kv_reply_status(op->op_out, "OK");
	return kv_op_close(db, op, obj);
}
