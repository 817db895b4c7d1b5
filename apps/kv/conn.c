/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection: one thread, straight down from receiving to sending.
 *
 * THEORY: the thread receives what there is, runs every command in it, sends
 * all replies, and again.  Commands on one key of this CPU's shard are run on
 * the spot; from the first one for another shard on, they are collected and
 * go to their shards together (exec.c).
 *
 * A client that does not read its replies is still served, as pipelining
 * clients expect, until s_outlimit bytes wait for it.  Then the thread only
 * sends; a client that takes nothing for s_outtime seconds is disconnected.
 * What a client sends is limited by the parser and by INPUT_MAX.
 *
 * INVARIANTS
 * I1 c_ops is empty whenever something else is replied.
 */
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define INPUT_MAX	((size_t)1 << 30)	/* bytes of one request */
#define SEND_MAX	((size_t)256 << 10)	/* bytes sent in one turn */
#define SEND_SOON	((size_t)64 << 10)	/* replies that do not wait */
#define TURN_COMMANDS	64		/* of one batch, then others */
#define LAST_SEND_NS	1000000000	/* for replies before closing */

/* Send what the socket takes.  False: the connection is broken. */
static bool
send_some(struct kv_conn *c)
{
	struct kv_stats *st = &kv_mycpu()->p_stats;
	const char *p;
	size_t len;
	ssize_t n;

	while ((p = kv_reply_peek(&c->c_out, &len)) != NULL) {
		n = lwkt_send_timo(c->c_fd, p,
		    len < SEND_MAX ? len : SEND_MAX,
		    MSG_NOSIGNAL | MSG_DONTWAIT, 0);
		if (n == -EAGAIN || n == -ETIMEDOUT)
			return true;
		if (n < 0)
			return false;
		kv_reply_sent(&c->c_out, (size_t)n);
		st->st_bytes_out += (uint64_t)n;
		if (len > SEND_MAX)
			lwkt_yield();
	}
	return true;
}

/* Send until no more than limit bytes wait.  False: broken, or too slow. */
static bool
send_down_to(struct kv_conn *c, size_t limit, int64_t timeout_ns)
{
	int events;

	for (;;) {
		if (!send_some(c))
			return false;
		if (kv_reply_pending(&c->c_out) <= limit)
			return true;
		events = lwkt_poll(c->c_fd, POLLOUT, timeout_ns);
		if (events == 0 || events == -ETIMEDOUT) {
			kv_log("client %s closed: %zu bytes of replies "
			    "not read", c->c_addr,
			    kv_reply_pending(&c->c_out));
			return false;
		}
		if (events < 0)
			return false;
	}
}

/* Replies are not to fill the memory while a batch runs. */
static void
limit_output(struct kv_conn *c)
{
	size_t limit = atomic_load(&kv_server.s_outlimit);

	if (!send_some(c))
		c->c_close = true;
	else if (kv_reply_pending(&c->c_out) > limit &&
	    !send_down_to(c, limit,
	    (int64_t)atomic_load(&kv_server.s_outtime) * 1000000000))
		c->c_close = true;
	if (c->c_close)
		kv_hang_up(c);
}

/*
 * Send replies and wait for input.  False: the connection is at its end.
 * Blocks: yes.
 */
static bool
receive(struct kv_conn *c)
{
	size_t len;
	ssize_t n;
	char *p;

	if (!send_some(c))
		return false;
	while (kv_reply_pending(&c->c_out) > 0) {
		int events = lwkt_poll(c->c_fd, POLLIN | POLLOUT,
		    LWKT_FOREVER);

		if (events < 0 || !send_some(c))
			return false;
		if ((events & ~POLLOUT) != 0)
			break;
	}
	p = kv_resp_room(&c->c_in, &len);
	n = lwkt_recv(c->c_fd, p, len, 0);
	if (n <= 0)
		return false;
	kv_resp_filled(&c->c_in, (size_t)n);
	kv_mycpu()->p_stats.st_bytes_in += (uint64_t)n;
	if (kv_resp_pending(&c->c_in) > INPUT_MAX) {
		kv_log("client %s closed: a request of more than %zu bytes",
		    c->c_addr, INPUT_MAX);
		return false;
	}
	return true;
}

static void
unknown_command(struct kv_conn *c, const struct kv_arg *argv, int argc)
{
	char args[160];
	size_t n = 0;

	args[0] = '\0';
	for (int i = 1; i < argc && n < 128; i++)
		n += (size_t)snprintf(args + n, sizeof(args) - n, "'%.*s' ",
		    argv[i].a_len < 128 - n ? (int)argv[i].a_len :
		    (int)(128 - n), argv[i].a_p);
	kv_reply_error(&c->c_out, "ERR unknown command '%.*s', with args "
	    "beginning with: %s",
	    argv[0].a_len < 128 ? (int)argv[0].a_len : 128, argv[0].a_p,
	    args);
}

/* May this command run?  If not, that is replied. */
static bool
admit(struct kv_conn *c, const struct kv_cmd *cmd, const struct kv_arg *argv,
    int argc)
{
	uint64_t max;

	if (cmd == NULL) {
		kv_exec(c);
		unknown_command(c, argv, argc);
		return false;
	}
	if (!kv_command_arity(cmd, argc)) {
		kv_exec(c);
		kv_reply_error(&c->c_out, "ERR wrong number of arguments for "
		    "'%s' command", cmd->c_name);
		return false;
	}
	max = atomic_load_explicit(&kv_server.s_maxmemory,
	    memory_order_relaxed);
	if (max != 0 && (cmd->c_flags & KV_C_DENYOOM) != 0 &&
	    kv_mem_used() > max) {
		kv_exec(c);
		kv_reply_error(&c->c_out, "OOM command not allowed when used "
		    "memory > 'maxmemory'.");
		return false;
	}
	return true;
}

/* A command on one key: run it, or let it wait for its batch. */
static void
key_command(struct kv_conn *c, const struct kv_cmd *cmd, struct kv_arg *argv,
    int argc)
{
	struct kv_op *op = &c->c_ops[c->c_nops];

	kv_op_prepare(op, cmd, cmd->c_key, argv, argc);
	kv_op_locate(op, &argv[1]);
	if (c->c_nops == 0 && op->op_shard == c->c_cpu) {
		kv_run_op(c, op);
		return;
	}
	op->op_arg0 = (size_t)(argv - c->c_in.r_args);
	if (++c->c_nops == KV_BATCH)
		kv_exec(c);
}

static void
command(struct kv_conn *c)
{
	struct kv_arg *argv = c->c_in.r_args + c->c_in.r_first;
	int argc = (int)(c->c_in.r_nargs - c->c_in.r_first);
	const struct kv_cmd *cmd = c->c_cmd;
	struct kv_stats *st = &kv_mycpu()->p_stats;

	if (argc == 0)
		return;
	if (cmd == NULL || !kv_arg_is(&argv[0], cmd->c_name))
		cmd = kv_command_find(argv[0].a_p, argv[0].a_len);
	if (!admit(c, cmd, argv, argc))
		return;
	c->c_cmd = cmd;
	st->st_commands++;
	st->st_calls[cmd - kv_commands]++;
	if (cmd->c_key != NULL) {
		key_command(c, cmd, argv, argc);
	} else {
		kv_exec(c);					/* I1 */
		cmd->c_conn(c, argv, argc);
	}
}

/* Run every command that has come. */
static void
serve(struct kv_conn *c)
{
	struct kv_cpu *cpu = kv_mycpu();
	enum kv_resp_what what = KV_RESP_MORE;

	kv_turn(cpu);
	c->c_active = cpu->p_db.db_now;
	for (unsigned int n = 1; !c->c_close &&
	    (what = kv_resp_next(&c->c_in)) == KV_RESP_CMD; n++) {
		command(c);
		if (kv_reply_pending(&c->c_out) > SEND_SOON)
			limit_output(c);
		if (n % TURN_COMMANDS == 0) {
			lwkt_yield();
			kv_turn(cpu);
		}
	}
	kv_exec(c);
	if (what == KV_RESP_BAD) {
		kv_reply_error(&c->c_out, "ERR %s", c->c_in.r_error);
		c->c_close = true;
	}
	kv_resp_done(&c->c_in);
	kv_turn_end(cpu);
}

static void
conn_free(struct kv_conn *c)
{
	kv_resp_free(&c->c_in);
	kv_reply_free(&c->c_out);
	for (unsigned int i = 0; i < kv_server.s_ncpus; i++)
		kv_reply_free(&c->c_calls[i].k_out);
	kv_free(c->c_calls);
	kv_free(c);
}

static void
conn_main(void *arg)
{
	struct kv_conn *c = arg;
	struct kv_cpu *cpu = kv_mycpu();

	TAILQ_INSERT_TAIL(&cpu->p_conns, c, c_link);
	cpu->p_stats.st_accepted++;
	while (!c->c_close && receive(c)) {
		serve(c);
		lwkt_yield();
	}
	if (kv_reply_pending(&c->c_out) > 0)
		send_down_to(c, 0, LAST_SEND_NS);
	TAILQ_REMOVE(&cpu->p_conns, c, c_link);
	lwkt_close(c->c_fd);
	conn_free(c);
	atomic_fetch_sub(&kv_server.s_conns, 1);
}

/* A thread for a new connection, on this CPU; the descriptor is its own. */
void
kv_conn_start(int fd, unsigned int cpu, const char *addr, const char *laddr)
{
	struct kv_conn *c = kv_zalloc(sizeof(*c));
	int error;

	c->c_calls = kv_zalloc(kv_server.s_ncpus * sizeof(*c->c_calls));
	c->c_fd = fd;
	c->c_cpu = cpu;
	c->c_id = atomic_fetch_add(&kv_server.s_nextid, 1) + 1;
	c->c_since = c->c_active = kv_clock_ms();
	snprintf(c->c_addr, sizeof(c->c_addr), "%s", addr);
	snprintf(c->c_laddr, sizeof(c->c_laddr), "%s", laddr);
	kv_resp_init(&c->c_in);
	atomic_fetch_add(&kv_server.s_conns, 1);
	error = lwkt_create(conn_main, c, NULL, NULL, 0, (int)cpu, "conn/%lu",
	    (unsigned long)c->c_id);
	if (error != 0) {
		kv_log("client %s closed: no thread, error %d", addr, error);
		atomic_fetch_sub(&kv_server.s_conns, 1);
		lwkt_close(fd);
		conn_free(c);
	}
}
