/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bring operations to their shards and the replies back in order.
 *
 * THEORY: a shard is used only by code that runs on its CPU, and only between
 * two points where that code may switch.  A connection's thread never migrates,
 * so it runs operations on the shard of its own CPU itself, by a function call.
 * To the shard of another CPU it sends its operations as a list, whose first
 * operation is a message.  The shard's thread runs them and replies to the
 * message.
 *
 * A batch of pipelined commands goes to all its shards at once.  Operations on
 * one shard keep their order, so every key gets its commands in the order in
 * which the client sent them.  The replies are put in that order at the end.
 * Between keys of different shards the commands of a batch have no order.
 *
 * A reply is made in turns, before it is sent, and a short request can ask for
 * an endless reply.  So an operation is checked before each turn after its
 * first.  If the client has left or the reply is too large, an operation that
 * only reads ends; one that changes its key is completed.
 *
 * INVARIANTS
 * EXEC1 While a list is away, its operations, their arguments and their replies
 *       belong to the other CPU.
 */
#include "shard/server.h"

#include <assert.h>
#include <poll.h>

#define REPLY_FREE	(1u << 20)	/* bytes that every client may get */
#define PATIENCE	10000	/* turns for a client that closed its end */

/*
 * Initialize an operation.  The high half of the key's hash decides to which
 * shard a command on one key goes.
 */
void
kv_op_init(struct kv_op *op, struct kv_conn *c, const struct kv_cmd *cmd,
    struct kv_arg *argv, int argc)
{
	*op = (struct kv_op){
		.op_cmd = cmd, .op_conn = c, .op_argv = argv, .op_argc = argc,
		.op_out = &c->c_out, .op_words = cmd->c_how,
	};
	if (cmd->c_keys != 1 || argc < 2)
		return;
	op->op_hash = kv_hash(argv[1].a_p, argv[1].a_len);
	op->op_shard = (unsigned int)((op->op_hash >> 32) *
	    kv_server.s_ncpus >> 32);
}

/*
 * Return whether the client has left.  A client that has only closed its own
 * end may still read its replies: it gets up to REPLY_FREE bytes, in PATIENCE
 * turns.
 */
static bool
has_left(const struct kv_conn *c, uint64_t bytes, uint32_t turns)
{
	struct pollfd p = { .fd = c->c_fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0 &&
	    ((p.revents & (POLLERR | POLLHUP)) != 0 || bytes > REPLY_FREE ||
	    turns > PATIENCE);
}

/*
 * Return whether a reply should grow further, given its bytes and its turns so
 * far.  If not, the connection ends.  Context: any CPU.
 */
static bool
is_wanted(struct kv_conn *c, uint64_t bytes, uint32_t turns)
{
	uint64_t max = kv_server.s_maxmemory;
	bool full = max > 0 && kv_mem_used() > max;
	char peer[KV_ADDRLEN];

	if (c->c_giveup)
		return false;
	if (bytes > kv_server.s_replylimit || (bytes > REPLY_FREE && full)) {
		kv_log("client %s closed: a reply of more than %lu bytes%s",
		    kv_peer_text(c, peer), bytes,
		    full ? ", with maxmemory in use" : "");
		c->c_giveup = true;
	} else if (has_left(c, bytes, turns)) {
		c->c_giveup = true;
	}
	return !c->c_giveup;
}

/* Do the same for an operation that has had turns; c_made is of its batch. */
static bool
op_is_wanted(struct kv_op *op)
{
	size_t bytes = op->op_out->r_memory, more = bytes - op->op_counted;

	op->op_counted = bytes;
	return is_wanted(op->op_conn, (op->op_conn->c_made += more),
	    ++op->op_turns);
}

/*
 * Run the rest of a list until the turn is over.  Returns true at its end.
 * CPU: the shard's.
 */
bool
kv_run_list(struct kv_db *db, struct kv_op *op)
{
	for (int n = 1; op != NULL; op = op->op_next, n++) {
		if (op->op_done)
			continue;
		if (n % KV_STEPS == 0 && kv_turn_over(db))
			return false;
		if (op->op_begun && !op_is_wanted(op))
			op->op_stop = true;
		if (!kv_op_turn(db, op))
			return false;
		op->op_done = true;
	}
	return true;
}

/*
 * Yield if this turn is over, in the middle of a command that runs in its
 * connection's thread.  Returns false if the reply is not wanted any more.
 * Blocks: no, but it switches.
 */
bool
kv_pause(struct kv_op *op)
{
	struct kv_cpu *cpu = kv_mycpu();

	if (!kv_turn_over(&cpu->p_db))
		return true;
	lwkt_yield();
	kv_turn(cpu);
	return is_wanted(op->op_conn, op->op_out->r_memory, ++op->op_turns);
}

/* Run a list on this CPU, until its end. */
static void
run_here(struct kv_op *list)
{
	struct kv_cpu *cpu = kv_mycpu();

	while (!kv_run_list(&cpu->p_db, list)) {
		lwkt_yield();
		kv_turn(cpu);
	}
}

/* Append an operation to its shard's list; return whether it is the first. */
static bool
add_to_list(struct kv_op *ops, unsigned int i)
{
	ops[i].op_next = NULL;
	ops[i].op_out = &ops->op_conn->c_replies[i];
	ops[i].op_out->r_resp3 = ops->op_conn->c_out.r_resp3;
	for (unsigned int j = i; j-- > 0;) {
		if (ops[j].op_shard == ops[i].op_shard) {
			ops[j].op_next = &ops[i];
			return false;
		}
	}
	return true;
}

/* Run operations on their shards; their replies are in c_replies.  Blocks. */
void
kv_scatter(struct kv_op *ops, unsigned int n)
{
	struct kv_op *first[KV_MAXCPU], *mine = NULL;
	unsigned int nfirst = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (!add_to_list(ops, i))
			continue;
		if (ops[i].op_shard == ops->op_conn->c_cpu)
			mine = &ops[i];
		else
			first[nfirst++] = &ops[i];
	}
	for (unsigned int i = 0; i < nfirst; i++) {
		lwkt_initmsg(&first[i]->op_msg, lwkt_curport(), 0);
		lwkt_sendmsg(kv_server.s_cpus[first[i]->op_shard]->p_port,
		    &first[i]->op_msg);
	}
	run_here(mine);
	while (nfirst > 0)					/* EXEC1 */
		lwkt_waitmsg(&first[--nfirst]->op_msg, 0);
	kv_mycpu()->p_db.db_now = kv_clock_ms();
}

/* Append the replies of scattered operations in their order. */
void
kv_gather(struct kv_op *ops, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		assert(ops[i].op_done);				/* EXEC1 */
		kv_reply_move(&ops->op_conn->c_out, ops[i].op_out);
	}
}

/*
 * Run operations on their shards and append their replies in order.  A single
 * operation on this CPU's shard replies straight into the connection's buffer.
 */
void
kv_run(struct kv_op *ops, unsigned int n)
{
	if (n == 1 && ops->op_shard == ops->op_conn->c_cpu) {
		ops->op_out = &ops->op_conn->c_out;
		run_here(ops);
	} else {
		kv_scatter(ops, n);
		kv_gather(ops, n);
	}
}

/* Run the commands that wait in c_ops; their arguments may have moved. */
void
kv_exec(struct kv_conn *c)
{
	unsigned int n = c->c_nops;

	for (unsigned int i = 0; i < n; i++)
		c->c_ops[i].op_argv = c->c_in.r_args + c->c_ops[i].op_arg0;
	c->c_nops = 0;
	if (n > 0)
		kv_run(c->c_ops, n);
}

/* Run a command on several keys, as one operation for each. */
static void
exec_keys(struct kv_op *op)
{
	struct kv_op *ops = op->op_conn->c_ops;
	struct kv_cmd part = *op->op_cmd;
	unsigned int n = 0;

	part.c_keys = 1;
	for (int i = 1; i < op->op_argc; i += part.c_step) {
		kv_op_init(&ops[n], op->op_conn, &part, &op->op_argv[i - 1],
		    part.c_step + 1);
		ops[n].op_part = true;
		if (++n < KV_BATCH && i + part.c_step < op->op_argc)
			continue;
		kv_run(ops, n);
		while (n > 0)
			op->op_result += ops[--n].op_result;
		if (!kv_pause(op))
			break;
	}
}

/*
 * Run a command, or a part of one, on every shard, by the operations in c_ops;
 * op_result is the sum of theirs.  Their replies wait for kv_gather().
 */
void
kv_everywhere(struct kv_op *op, const struct kv_cmd *cmd)
{
	struct kv_op *ops = op->op_conn->c_ops;
	unsigned int n = kv_server.s_ncpus;

	for (unsigned int i = 0; i < n; i++) {
		ops[i] = *op;
		ops[i].op_cmd = cmd;
		ops[i].op_shard = i;
		ops[i].op_part = true;
	}
	kv_scatter(ops, n);
	for (unsigned int i = 0; i < n; i++)
		op->op_result += ops[i].op_result;
}

/* Run a command that is not on one key, in the connection's thread. */
void
kv_exec_conn(struct kv_op *op)
{
	const struct kv_cmd *cmd = op->op_cmd;
	enum kv_ready ready;

	op->op_db = &kv_mycpu()->p_db;
	while ((ready = kv_op_read(op)) == KV_LATER)
		kv_pause(op);
	if (ready == KV_FAILED)
		return;
	if ((cmd->c_flags & KV_ARRAY) != 0)
		kv_say_many(op->op_out, '*', op->op_argc - 1);
	if (cmd->c_keys < 0)
		exec_keys(op);
	else if ((cmd->c_flags & KV_EVERY) != 0)
		kv_everywhere(op, cmd);
	else
		cmd->c_fn(op);
	if ((cmd->c_flags & KV_SUM) != 0)
		kv_say_int(op->op_out, op->op_result);
	if ((cmd->c_flags & KV_OK) != 0)
		kv_say_ok(op->op_out);
	if ((cmd->c_flags & KV_PARTS) != 0)
		kv_say_many(op->op_out, '*', op->op_result);
	if ((cmd->c_flags & KV_EVERY) != 0)
		kv_gather(op->op_conn->c_ops, kv_server.s_ncpus);
}
