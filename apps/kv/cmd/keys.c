/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands on keys of any type, on several keys, and on all.
 *
 * THEORY: a command on several keys or on all becomes operations on single
 * keys or single shards, which run on all shards at once (exec.c).  The
 * connection's thread combines their replies.  The command is atomic on each
 * key, but not on all of them together: another client may see MSET half done,
 * or, for an instant, a key of RENAME under neither name.  KEYS and a scan
 * reply each key that exists all the time.  They may reply a key that is added
 * or deleted meanwhile.  They reply a key twice only if its table shrinks
 * meanwhile (dict.c).
 */
#include "cmd/cmd.h"

#define GLOB_STEPS	2000	/* steps of a match: 10 us */

static const char *const type_names[] = {
	[KV_INT] = "string", [KV_STRING] = "string", [KV_LIST] = "list",
	[KV_HASH] = "hash", [KV_SET] = "set", [KV_ZSET] = "zset",
};

/* TYPE */
static void
type(struct kv_op *op)
{
	kv_say_status(op->op_out, op->op_ent != NULL ?
	    type_names[op->op_ent->e_type] : "none");
}

/* TTL and PTTL */
static void
ttl(struct kv_op *op)
{
	int64_t left = -2, end;

	if (op->op_ent != NULL) {
		end = kv_expire_get(op->op_ent);
		left = end == KV_NEVER ? -1 : end - op->op_db->db_now;
		if (left >= 0 && (op->op_words & KV_EX) != 0)
			left = (left + 500) / 1000;
	}
	kv_say_int(op->op_out, left);
}

/* PERSIST */
static void
persist(struct kv_op *op)
{
	bool had = op->op_ent != NULL && op->op_ent->e_timer != NULL;

	if (had)
		kv_expire_set(op->op_db, op->op_ent, KV_NEVER);
	kv_say_int(op->op_out, had);
}

/* Check the options of EXPIRE and its like, and read the time. */
static enum kv_ready
expire_parse(struct kv_op *op)
{
	uint32_t o = op->op_words;

	if (op->op_end < op->op_argc)
		return KV_READY;	/* expire() says what is wrong */
	if ((o & KV_NX) != 0 && (o & (KV_XX | KV_GT | KV_LT)) != 0)
		return kv_op_fail(op, "ERR NX and XX, GT or LT options at the "
		    "same time are not compatible");
	if ((o & KV_GT) != 0 && (o & KV_LT) != 0)
		return kv_op_fail(op, "ERR GT and LT options at the same time "
		    "are not compatible");
	return kv_op_when(op, 2, false);
}

/* EXPIRE, PEXPIRE, EXPIREAT and PEXPIREAT */
static void
expire(struct kv_op *op)
{
	const struct kv_arg *a = &op->op_argv[op->op_end];
	struct kv_ent *e = op->op_ent;
	int64_t when = op->op_int[0], old;
	uint32_t o = op->op_words;

	if (op->op_end < op->op_argc) {
		kv_say_error(op->op_out, "ERR Unsupported option %.*s",
		    kv_arg_show(a), a->a_p);
		return;
	}
	old = e != NULL ? kv_expire_get(e) : 0;
	if (e == NULL || ((o & KV_NX) != 0 && old != KV_NEVER) ||
	    ((o & KV_XX) != 0 && old == KV_NEVER) ||
	    ((o & KV_GT) != 0 && (old == KV_NEVER || when <= old)) ||
	    ((o & KV_LT) != 0 && when >= old)) {
		kv_say_int(op->op_out, 0);
		return;
	}
	if (when <= op->op_db->db_now)
		kv_db_del(op->op_db, e);
	else
		kv_expire_set(op->op_db, e, when);
	kv_say_int(op->op_out, 1);
}

/* EXISTS; and DEL and UNLINK, which are marked KV_WRITE and delete the key. */
static void
exists(struct kv_op *op)
{
	op->op_result = op->op_ent != NULL;
	if (op->op_ent != NULL && (op->op_cmd->c_flags & KV_WRITE) != 0)
		kv_db_del(op->op_db, op->op_ent);
}

/* Do the first half of RENAME: op_at gets the entry, op_int[0] its end. */
static void
rename_take(struct kv_op *op)
{
	struct kv_ent *e = op->op_ent;

	if (e != NULL) {
		op->op_int[0] = kv_expire_get(e);
		kv_db_take(op->op_db, e);
	}
	op->op_at = e;
}

/* Do the second half, perhaps on another shard; op_at is the first's op. */
static void
rename_put(struct kv_op *op)
{
	struct kv_op *take = op->op_at;
	struct kv_ent *from = take->op_at, *e;

	if (from == NULL)
		return;
	if (op->op_ent != NULL)
		kv_db_del(op->op_db, op->op_ent);
	e = kv_db_add(op->op_db, op->op_hash, &op->op_argv[1]);
	e->e_type = from->e_type;
	e->e_int = from->e_int;		/* or whatever it is */
	kv_expire_set(op->op_db, e, take->op_int[0]);
	kv_free(from);
}

/* RENAME: on one shard, both halves run in one turn. */
static void
rename_key(struct kv_op *op)
{
	static const struct kv_cmd take_part = { .c_fn = rename_take,
	    .c_keys = 1, .c_family = &kv_generic_family,
	    .c_flags = KV_WRITE | KV_ALONE };
	static const struct kv_cmd put_part = { .c_fn = rename_put,
	    .c_keys = 1, .c_family = &kv_generic_family };
	struct kv_op *take = &op->op_conn->c_ops[0], *put = take + 1;

	kv_op_init(take, op->op_conn, &take_part, op->op_argv, 2);
	kv_op_init(put, op->op_conn, &put_part, op->op_argv + 1, 2);
	put->op_at = take;
	if (take->op_shard == put->op_shard) {
		kv_run(take, 2);
	} else {
		kv_run(take, 1);
		kv_run(put, 1);
	}
	if (take->op_at != NULL)
		kv_say_ok(op->op_out);
	else
		kv_op_fail(op, KV_E_NOKEY);
}

/* Count the keys of a shard, for DBSIZE and RANDOMKEY. */
static void
count_keys(struct kv_op *op)
{
	op->op_result = op->op_db->db_keys->o_dict.d_count;
}

/* Check the option of FLUSHALL, which changes nothing. */
static enum kv_ready
flush_parse(struct kv_op *op)
{
	const struct kv_arg *how = &op->op_argv[1];

	if (op->op_argc > 2 || (op->op_argc == 2 &&
	    !kv_arg_is(how, "sync") && !kv_arg_is(how, "async")))
		return kv_op_fail(op, KV_E_SYNTAX);
	return KV_READY;
}

/* FLUSHDB and FLUSHALL */
static void
flush(struct kv_op *op)
{
	kv_db_flush(op->op_db);
}

/* A match that takes long.  The key is copied: it may be deleted meanwhile. */
struct slow_match {
	struct slow_match *s_next;
	struct kv_glob	 s_glob;
	size_t		 s_len;
	char		 s_key[];
};

/* Reply a key. */
static void
say_key(struct kv_op *op, const char *key, size_t len)
{
	kv_say_bulk(op->op_out, key, len);
	op->op_result++;
}

/* Copy a key and continue its match in later steps. */
static void
match_later(struct kv_op *op, const struct kv_glob *g, const char *key,
    size_t len)
{
	struct slow_match *s = kv_alloc(sizeof(*s) + len);

	memcpy(s->s_key, key, len);
	s->s_next = op->op_at;
	s->s_len = len;
	s->s_glob = *g;
	s->s_glob.g_s = s->s_key + (g->g_s - key);
	s->s_glob.g_send = s->s_key + len;
	if (g->g_from != NULL)
		s->s_glob.g_from = s->s_key + (g->g_from - key);
	op->op_at = s;
}

/*
 * Reply a key if its time is not over, it matches argument op_val[0] and its
 * type is argument op_val[1], where 0 means all; op_result counts.
 */
static void
scan_visit(struct kv_node *n, void *arg)
{
	struct kv_op *op = arg;
	const struct kv_arg *pattern = &op->op_argv[op->op_val[0]];
	const struct kv_arg *is = &op->op_argv[op->op_val[1]];
	enum kv_glob_what what = KV_GLOB_YES;
	struct kv_ent *e = (struct kv_ent *)n;
	struct kv_glob g;

	op->op_int[0]--;
	if (kv_expire_get(e) <= op->op_db->db_now ||
	    (op->op_val[1] != 0 && !kv_arg_is(is, type_names[e->e_type])))
		return;
	if (op->op_val[0] != 0) {
		kv_glob_begin(&g, pattern, e->e_key, n->n_klen);
		what = kv_glob_run(&g, GLOB_STEPS);
	}
	if (what == KV_GLOB_YES)
		say_key(op, e->e_key, n->n_klen);
	else if (what == KV_GLOB_MORE)
		match_later(op, &g, e->e_key, n->n_klen);
}

/* Continue a match that takes long; free it at its end. */
static void
scan_slow(struct kv_op *op)
{
	struct slow_match *s = op->op_at;
	enum kv_glob_what what = kv_glob_run(&s->s_glob, GLOB_STEPS);

	op->op_cost += KV_STEPS / 4;
	if (what == KV_GLOB_MORE)
		return;
	if (what == KV_GLOB_YES)
		say_key(op, s->s_key, s->s_len);
	op->op_at = s->s_next;
	kv_free(s);
}

/* Scan a bucket, until op_int[0] keys were visited; or continue a match. */
static void
scan_each(struct kv_op *op)
{
	if (op->op_at != NULL)
		scan_slow(op);
	else
		op->op_pos = kv_dict_scan(&op->op_db->db_keys->o_dict,
		    op->op_pos, scan_visit, op);
	op->op_left = op->op_at != NULL ||
	    (op->op_pos != 0 && op->op_int[0] > 0);
}

/* Free the matches that were not ended. */
static void
scan_end(struct kv_op *op)
{
	struct slow_match *s;

	while ((s = op->op_at) != NULL) {
		op->op_at = s->s_next;
		kv_free(s);
	}
}

/* KEYS */
static void
keys(struct kv_op *op)
{
	op->op_val[0] = 1;
	op->op_int[0] = INT64_MAX;
	op->op_left = 1;
}

/* Read the cursor, op_pos. */
static enum kv_ready
scan_cursor(struct kv_op *op)
{
	return kv_arg_cursor(&op->op_argv[1], &op->op_pos) ? KV_READY :
	    kv_op_fail(op, "ERR invalid cursor");
}

/* Read how many keys to visit, op_int[0]. */
static enum kv_ready
scan_parse(struct kv_op *op)
{
	op->op_int[0] = 10;
	if (op->op_val[2] != 0)
		kv_arg_i64(&op->op_argv[op->op_val[2]], &op->op_int[0]);
	return KV_READY;
}

/*
 * SCAN: a cursor is a shard and a place in it, place * ncpus + shard, as shards
 * are scanned one after the other.  Each call stays in one shard.
 */
static void
scan(struct kv_op *op)
{
	static const struct kv_cmd part = { .c_each = scan_each,
	    .c_end = scan_end };
	uint64_t n = kv_server.s_ncpus, next;
	struct kv_op at = *op;

	at.op_cmd = &part;
	at.op_part = true;
	at.op_left = 1;
	at.op_shard = (unsigned int)(op->op_pos % n);
	at.op_pos = op->op_pos / n;
	kv_scatter(&at, 1);
	next = at.op_pos != 0 ? at.op_pos * n + at.op_shard :
	    (at.op_shard + 1) % n;
	kv_say_many(op->op_out, '*', 2);
	kv_say_number(op->op_out, (int64_t)next);
	kv_say_many(op->op_out, '*', at.op_result);
	kv_gather(&at, 1);
}

/* Reply a random key, or nil; if its time is over, try again, 99 times. */
static void
random_here(struct kv_op *op)
{
	struct kv_db *db = op->op_db;

	for (int i = 0; i < 100; i++) {
		struct kv_ent *e = (struct kv_ent *)kv_dict_random(
		    &db->db_keys->o_dict, &db->db_rng);

		if (e != NULL && kv_expire_get(e) > db->db_now) {
			kv_say_bulk(op->op_out, e->e_key, e->e_node.n_klen);
			return;
		}
	}
	kv_say_nil(op->op_out);
}

/*
 * RANDOMKEY: pick a shard by the number of its keys, then one of its keys, so
 * that all keys have the same chance.
 */
static void
randomkey(struct kv_op *op)
{
	static const struct kv_cmd count_part = { .c_fn = count_keys };
	static const struct kv_cmd part = { .c_fn = random_here };
	struct kv_op *at = op->op_conn->c_ops;
	int64_t pick;

	kv_everywhere(op, &count_part);
	pick = (int64_t)kv_random_below(&kv_mycpu()->p_db.db_rng,
	    (uint64_t)op->op_result);
	while (op->op_result > 0 && pick >= at->op_result)
		pick -= at++->op_result;
	at->op_cmd = &part;
	at->op_begun = at->op_done = false;
	kv_run(at, 1);
}

static struct kv_cmd all_rows[] = {
	KV_CONN("dbsize", 1, KV_READ | KV_FAST | KV_SUM | KV_EVERY,
	    count_keys),
	KV_CONN("flushdb", -1, KV_WRITE | KV_EVERY | KV_OK, flush,
	    .c_parse = flush_parse),
	KV_CONN("flushall", -1, KV_WRITE | KV_EVERY | KV_OK, flush,
	    .c_parse = flush_parse),
};

#define EXPIRE(name, how) \
	KV_KEY(name, -3, KV_WRITE | KV_FAST | KV_REST, expire, \
	    .c_how = how, .c_from = 3, \
	    .c_words = KV_NX | KV_XX | KV_GT | KV_LT, \
	    .c_parse = expire_parse)

static struct kv_cmd rows[] = {
	KV_CONN("keys", 2, KV_READ | KV_EVERY | KV_PARTS, keys,
	    .c_each = scan_each, .c_end = scan_end),
	KV_CONN("scan", -2, KV_READ, scan, .c_from = 2,
	    .c_first = scan_cursor, .c_words = KV_MATCH | KV_OFTYPE |
	    KV_COUNT_OF, .c_parse = scan_parse),
	KV_CONN("randomkey", 1, KV_READ, randomkey),
	KV_KEYS("exists", -2, KV_READ | KV_FAST | KV_LOOK | KV_SUM, 1,
	    exists),
	KV_KEYS("del", -2, KV_WRITE | KV_SUM, 1, exists),
	KV_KEYS("unlink", -2, KV_WRITE | KV_FAST | KV_SUM, 1, exists),
	KV_ROW("rename", 3, KV_WRITE, 2, 1, rename_key),
	KV_KEY("type", 2, KV_READ | KV_FAST, type),
	EXPIRE("expire", KV_EX),
	EXPIRE("pexpire", KV_PX),
	EXPIRE("expireat", KV_EXAT),
	EXPIRE("pexpireat", KV_PXAT),
	KV_KEY("ttl", 2, KV_READ | KV_FAST, ttl, .c_how = KV_EX),
	KV_KEY("pttl", 2, KV_READ | KV_FAST, ttl),
	KV_KEY("persist", 2, KV_WRITE | KV_FAST, persist),
};

const struct kv_family kv_keyspace_family =
    KV_FAMILY("server", KV_ANY, all_rows);
const struct kv_family kv_generic_family = KV_FAMILY("generic", KV_ANY, rows);
