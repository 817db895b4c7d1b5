/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands on several keys, or on all.
 *
 * THEORY: each becomes operations on single keys or single shards, which run
 * on all shards at once; the connection's thread makes one reply of theirs.
 * Such a command is atomic on each key and not on all of them together:
 * another client may see MSET half done, or a key of RENAME, for an instant,
 * under neither name.  KEYS and SCAN see a key that is there all the time,
 * once; of keys that come or go meanwhile they may see either.
 */
#include "keys.h"
#include "server.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>


/*
 * fn on keys argv[1], argv[1 + step], ..., replies in their order.  The sum of
 * the results.
 */
static int64_t
for_keys(struct kv_conn *c, struct kv_arg *argv, int argc, int step,
    int (*fn)(struct kv_db *, struct kv_op *))
{
	int64_t sum = 0;
	unsigned int n = 0;

	for (int i = 1; i < argc; i += step) {
		struct kv_op *op = &c->c_ops[n++];

		kv_op_prepare(op, c->c_cmd, fn, &argv[i - 1], step + 1);
		kv_op_locate(op, &argv[i]);
		if (n < KV_BATCH && i + step < argc)
			continue;
		kv_scatter(c, c->c_ops, n);
		kv_gather(c, c->c_ops, n);
		for (unsigned int k = 0; k < n; k++)
			sum += c->c_ops[k].op_result;
		n = 0;
		if (i + step < argc)
			lwkt_yield();
	}
	return sum;
}

void
kv_cmd_del(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	kv_reply_int(&c->c_out, for_keys(c, argv, argc, 1, kv_op_del));
}

void
kv_cmd_exists(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	kv_reply_int(&c->c_out, for_keys(c, argv, argc, 1, kv_op_exists));
}

void
kv_cmd_mget(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	kv_reply_array(&c->c_out, (uint64_t)argc - 1);
	for_keys(c, argv, argc, 1, kv_op_mget);
}

void
kv_cmd_mset(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	if (argc % 2 == 0) {
		kv_reply_error(&c->c_out, "ERR wrong number of arguments for "
		    "'mset' command");
		return;
	}
	for_keys(c, argv, argc, 2, kv_op_mset);
	kv_reply_status(&c->c_out, "OK");
}

void
kv_cmd_rename(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	struct kv_op *from = &c->c_ops[0], *to = &c->c_ops[1];
	bool found;

	kv_op_prepare(from, c->c_cmd, kv_op_take, argv, argc);
	kv_op_prepare(to, c->c_cmd, kv_op_put, argv + 1, argc - 1);
	kv_op_locate(from, &argv[1]);
	kv_op_locate(to, &argv[2]);
	if (from->op_shard == to->op_shard) {
		from->op_fn = kv_op_rename;
		kv_run_op(c, from);
		found = from->op_result != 0;
	} else {
		kv_run_op(c, from);
		found = from->op_at != NULL;
		to->op_at = from->op_at;
		to->op_left = from->op_left;
		if (found)
			kv_run_op(c, to);
	}
	if (found)
		kv_reply_status(&c->c_out, "OK");
	else
		kv_reply_error(&c->c_out, "ERR no such key");
}

static struct kv_op *
ops_for_all(void)
{
	return kv_alloc(kv_server.s_ncpus * sizeof(struct kv_op));
}

void
kv_cmd_dbsize(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	struct kv_op *ops = ops_for_all();

	(void)argv;
	(void)argc;
	kv_reply_int(&c->c_out, kv_everywhere(c, ops, kv_op_dbsize, NULL));
	kv_free(ops);
}

void
kv_cmd_flush(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	struct kv_op *ops;

	if (argc > 2 || (argc == 2 && !kv_arg_is(&argv[1], "sync") &&
	    !kv_arg_is(&argv[1], "async"))) {
		kv_reply_error(&c->c_out, "ERR syntax error");
		return;
	}
	ops = ops_for_all();
	kv_everywhere(c, ops, kv_op_flush, NULL);
	kv_free(ops);
	kv_reply_status(&c->c_out, "OK");
}

void
kv_cmd_keys(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	struct kv_op *ops = ops_for_all();
	struct kv_scan scan = { .s_pattern = &argv[1] };
	unsigned int n = kv_server.s_ncpus;
	int64_t found = 0;

	(void)argc;
	for (unsigned int i = 0; i < n; i++) {
		kv_op_prepare(&ops[i], c->c_cmd, kv_op_scan, NULL, 0);
		ops[i].op_shard = i;
		ops[i].op_at = &scan;
		ops[i].op_left = INT64_MAX;
	}
	kv_scatter(c, ops, n);
	for (unsigned int i = 0; i < n; i++)
		found += ops[i].op_result;
	kv_reply_array(&c->c_out, (uint64_t)found);
	kv_gather(c, ops, n);
	kv_free(ops);
}

/* The options of SCAN; false: an error was replied. */
static bool
scan_options(struct kv_conn *c, struct kv_arg *argv, int argc,
    struct kv_scan *scan, int64_t *countp)
{
	const char *wrong = NULL;

	for (int i = 2; i < argc && wrong == NULL; i += 2) {
		const struct kv_arg *val = &argv[i + 1];

		if (i + 1 == argc) {
			wrong = "ERR syntax error";
		} else if (kv_arg_is(&argv[i], "match")) {
			scan->s_pattern = val;
		} else if (kv_arg_is(&argv[i], "type")) {
			scan->s_type = val;
		} else if (!kv_arg_is(&argv[i], "count")) {
			wrong = "ERR syntax error";
		} else if (!kv_parse_i64(val->a_p, val->a_len, countp)) {
			wrong = "ERR value is not an integer or out of range";
		} else if (*countp < 1) {
			wrong = "ERR syntax error";
		}
	}
	if (wrong != NULL)
		kv_reply_error(&c->c_out, "%s", wrong);
	return wrong == NULL;
}

static bool
scan_cursor(const struct kv_arg *a, uint64_t *cursorp)
{
	char buf[KV_NUMLEN], *end;

	if (a->a_len >= sizeof(buf) ||
	    (a->a_len > 0 && isspace((unsigned char)a->a_p[0])))
		return false;
	memcpy(buf, a->a_p, a->a_len);
	buf[a->a_len] = '\0';
	errno = 0;
	*cursorp = strtoull(buf, &end, 10);
	return end == buf + a->a_len && errno == 0;
}

/*
 * A cursor is a shard and a place in it, shards being passed one after the
 * other: place * ncpus + shard.  Each call stays in one shard.
 */
void
kv_cmd_scan(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	struct kv_op *op = &c->c_ops[0];
	struct kv_scan scan = { NULL, NULL };
	unsigned int n = kv_server.s_ncpus;
	char num[KV_NUMLEN];
	int64_t count = 10;
	uint64_t cursor;

	if (!scan_cursor(&argv[1], &cursor)) {
		kv_reply_error(&c->c_out, "ERR invalid cursor");
		return;
	}
	if (!scan_options(c, argv, argc, &scan, &count))
		return;
	kv_op_prepare(op, c->c_cmd, kv_op_scan, NULL, 0);
	op->op_shard = (unsigned int)(cursor % n);
	op->op_pos = cursor / n;
	op->op_at = &scan;
	op->op_left = count;
	kv_scatter(c, op, 1);
	if (op->op_pos != 0)
		cursor = op->op_pos * n + op->op_shard;
	else
		cursor = (op->op_shard + 1) % n;
	kv_reply_array(&c->c_out, 2);
	kv_reply_bulk(&c->c_out, num, kv_fmt_i64(num, (int64_t)cursor));
	kv_reply_array(&c->c_out, (uint64_t)op->op_result);
	kv_gather(c, op, 1);
}

/* A shard by the number of its keys, then one of those: each as likely. */
void
kv_cmd_randomkey(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	struct kv_op *ops = ops_for_all();
	int64_t total = kv_everywhere(c, ops, kv_op_dbsize, NULL);
	struct kv_op *op = &c->c_ops[0];
	uint64_t pick;
	unsigned int s;

	(void)argv;
	(void)argc;
	kv_op_prepare(op, c->c_cmd, kv_op_randomkey, NULL, 0);
	if (total > 0) {
		pick = kv_random_below(&kv_mycpu()->p_db.db_rng,
		    (uint64_t)total);
		for (s = 0; pick >= (uint64_t)ops[s].op_result; s++)
			pick -= (uint64_t)ops[s].op_result;
		op->op_shard = s;
		kv_run_op(c, op);
	}
	if (op->op_result == 0)
		kv_reply_null(&c->c_out);
	kv_free(ops);
}
