/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection: one thread, whose straight-line code receives, runs and sends.
 *
 * THEORY: the thread receives the bytes that have arrived, runs every command
 * in them, sends all replies, and starts again.  A command on one key of this
 * CPU's shard runs at once.  After the first command for another shard,
 * commands are collected and go to their shards together (exec.c).
 *
 * A client that does not read its replies is still served, as pipelining
 * clients expect, until s_outlimit bytes wait for it.  Then the thread only
 * sends.  A client that reads nothing for s_outtime seconds is disconnected.
 * The parser and s_inlimit limit what a client sends.
 *
 * INVARIANTS
 * CONN1 c_ops is empty whenever the reply of another operation is made.
 */
#include "net/net.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#define SEND_MAX	((size_t)256 << 10)	/* bytes sent in one turn */
#define SEND_SOON	((size_t)64 << 10)	/* replies that do not wait */
#define LAST_SEND_NS	1000000000	/* for replies before closing */
#define HTTP_LOG_MS	60000		/* between two lines about HTTP */

/* A new connection on its way to its CPU. */
struct guest {
	struct lwkt_msg	 g_msg;
	int		 g_fd;
	struct sockaddr_in6 g_peer;
};

static lwkt_port_t doors[KV_MAXCPU];	/* of door_main() on each CPU */

/* Send what the socket takes.  Returns false if the connection is broken. */
static bool
send_some(struct kv_conn *c)
{
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
		kv_mycpu()->p_db.db_count[KV_N_OUT] += (uint64_t)n;
		if (len > SEND_MAX)
			lwkt_yield();
	}
	kv_turn_end(kv_mycpu());	/* large strings may be free now */
	return true;
}

/*
 * Send until at most limit bytes wait, or, if POLLIN is in events, until there
 * is input.  Returns false if the connection is broken or the client too slow.
 */
static bool
send_down_to(struct kv_conn *c, size_t limit, short events, int64_t timeout_ns)
{
	for (;;) {
		int got;

		if (!send_some(c))
			return false;
		if (kv_reply_pending(&c->c_out) <= limit)
			return true;
		got = lwkt_poll(c->c_fd, events, timeout_ns);
		if (got == 0 || got == -ETIMEDOUT)
			kv_log("client %s closed: it has not read %zu bytes "
			    "of replies", kv_conn_addr(c),
			    kv_reply_pending(&c->c_out));
		if (got <= 0)
			return false;
		if ((got & ~POLLOUT) != 0 && (events & POLLIN) != 0)
			return send_some(c);
	}
}

/*
 * Send replies and wait for input.  Returns false if the connection must end.
 * Blocks: yes.
 */
static bool
receive(struct kv_conn *c)
{
	size_t len;
	ssize_t n;
	char *p;

	if (!send_down_to(c, 0, POLLIN | POLLOUT, LWKT_FOREVER))
		return false;
	p = kv_resp_room(&c->c_in, &len);
	n = lwkt_recv(c->c_fd, p, len, 0);
	if (n <= 0)
		return false;
	kv_resp_filled(&c->c_in, (size_t)n);
	kv_mycpu()->p_db.db_count[KV_N_IN] += (uint64_t)n;
	if (kv_resp_pending(&c->c_in) <= kv_server.s_inlimit)
		return true;
	kv_log("client %s closed: a request of more than %lu bytes "
	    "(client-query-buffer-limit)", kv_conn_addr(c),
	    kv_server.s_inlimit);
	return false;
}

/* Reply that there is no such command. */
static void
unknown_command(struct kv_conn *c, const struct kv_arg *argv, int argc)
{
	char args[160] = "";
	int n = 0;

	for (int i = 1; i < argc && n < 128; i++)
		n += snprintf(args + n, sizeof(args) - (size_t)n, "'%.*s' ",
		    argv[i].a_len < 128 - (size_t)n ? (int)argv[i].a_len :
		    128 - n, argv[i].a_p);
	kv_say_error(&c->c_out, "ERR unknown command '%.*s', with args "
	    "beginning with: %s", kv_arg_show(argv), argv->a_p, args);
}

/*
 * Return whether this is an HTTP request.  A web page can make a browser send
 * one to any port, with commands in its body.
 */
static bool
is_http(struct kv_conn *c, const struct kv_arg *name)
{
	static _Atomic int64_t logged;
	int64_t now = kv_mycpu()->p_db.db_now;

	if (!kv_arg_is(name, "post") && !kv_arg_is(name, "host:"))
		return false;
	if (now - logged >= HTTP_LOG_MS) {
		kv_log("client %s closed: it sent HTTP.  A web page may be "
		    "trying to send commands", kv_conn_addr(c));
		logged = now;
	}
	return true;
}

/* Return why cmd may not run, or NULL.  %s in the text is its name. */
static const char *
refuse(const struct kv_cmd *cmd, int argc)
{
	uint64_t max = atomic_load_explicit(&kv_server.s_maxmemory,
	    memory_order_relaxed);

	if (!kv_arity_ok(cmd, argc))
		return KV_E_ARITY;
	return max > 0 && (cmd->c_flags & KV_DENYOOM) != 0 &&
	    kv_mem_used() > max ? "OOM command not allowed when used memory "
	    "> 'maxmemory'." : NULL;
}

/*
 * Run a command.  A command on one key that cannot run at once is collected in
 * c_ops, and runs with its batch.
 */
static void
command(struct kv_conn *c)
{
	struct kv_arg *argv = c->c_in.r_args + c->c_in.r_first;
	int argc = (int)(c->c_in.r_nargs - c->c_in.r_first);
	const struct kv_cmd *cmd = c->c_cmd;
	struct kv_op *op = &c->c_ops[c->c_nops], alone;
	const char *wrong;

	if (argc == 0)
		return;
	if (cmd == NULL || !kv_arg_is(&argv[0], cmd->c_name))
		cmd = kv_command_find(&argv[0]);
	wrong = cmd != NULL ? refuse(cmd, argc) : NULL;
	if (cmd == NULL || wrong != NULL || cmd->c_keys != 1) {
		kv_exec(c);					/* CONN1 */
		op = &alone;
	}
	if (cmd == NULL) {
		c->c_close = is_http(c, &argv[0]);
		if (!c->c_close)
			unknown_command(c, argv, argc);
		return;
	}
	kv_op_init(op, c, cmd, argv, argc);
	if (wrong != NULL) {
		kv_op_fail(op, wrong);
		return;
	}
	c->c_cmd = cmd;
	kv_mycpu()->p_db.db_count[KV_N_COMMANDS]++;
	if (op == &alone) {
		kv_exec_conn(op);
		return;
	}
	if (c->c_nops == 0 && op->op_shard == c->c_cpu) {
		kv_run(op, 1);
		return;
	}
	op->op_arg0 = (size_t)(argv - c->c_in.r_args);
	if (++c->c_nops == KV_BATCH)
		kv_exec(c);
}

/* Run every command that has arrived. */
static void
serve(struct kv_conn *c)
{
	struct kv_cpu *cpu = kv_mycpu();
	enum kv_resp_what what = KV_RESP_MORE;

	kv_turn(cpu);
	c->c_active = cpu->p_db.db_now;
	for (unsigned int n = 1; !c->c_close && !c->c_giveup &&
	    (what = kv_resp_next(&c->c_in)) == KV_RESP_CMD; n++) {
		if (c->c_nops == 0)
			c->c_made = 0;
		command(c);
		/* Do not let replies fill the memory meanwhile. */
		if (!c->c_giveup && kv_reply_pending(&c->c_out) > SEND_SOON &&
		    !send_down_to(c, kv_server.s_outlimit, POLLOUT,
		    (int64_t)kv_server.s_outtime * 1000000000)) {
			c->c_close = true;
			shutdown(c->c_fd, SHUT_RDWR);
		}
		if (n % KV_STEPS == 0 && kv_turn_over(&cpu->p_db)) {
			lwkt_yield();
			kv_turn(cpu);
		}
	}
	kv_exec(c);						/* CONN1 */
	if (what == KV_RESP_BAD) {
		kv_say_error(&c->c_out, "ERR %s", c->c_in.r_error);
		c->c_close = true;
	}
	while (!kv_resp_done(&c->c_in)) {
		lwkt_yield();
		kv_turn(cpu);
	}
	kv_turn_end(cpu);
}

/* Return the size of c_ops: a batch, or an operation on every shard. */
static unsigned int
max_ops(void)
{
	return kv_server.s_ncpus > KV_BATCH ? kv_server.s_ncpus : KV_BATCH;
}

/* Close a connection and free it, in steps. */
static void
conn_free(struct kv_conn *c)
{
	lwkt_close(c->c_fd);
	kv_resp_stop(&c->c_in);
	while (!kv_resp_done(&c->c_in))
		lwkt_yield();
	kv_resp_free(&c->c_in);
	while (!kv_reply_free_some(&c->c_out))
		lwkt_yield();
	for (unsigned int i = 0; i < max_ops(); i++) {
		while (!kv_reply_free_some(&c->c_replies[i]))
			lwkt_yield();
	}
	kv_free(c->c_ops);
	kv_free(c);
	kv_server.s_conns--;
	kv_turn_end(kv_mycpu());
}

/* Serve a connection until its end. */
static void
conn_main(void *arg)
{
	struct kv_conn *c = arg;
	struct kv_cpu *cpu = kv_mycpu();

	TAILQ_INSERT_TAIL(&cpu->p_conns, c, c_link);
	cpu->p_db.db_count[KV_N_ACCEPTED]++;
	while (!c->c_close && !c->c_giveup && receive(c)) {
		serve(c);
		lwkt_yield();
	}
	if (kv_reply_pending(&c->c_out) > 0 && !c->c_giveup)
		send_down_to(c, 0, POLLOUT, LAST_SEND_NS);
	TAILQ_REMOVE(&cpu->p_conns, c, c_link);
	conn_free(c);
}

/* Begin a connection of this CPU.  The connection owns the descriptor now. */
static void
conn_start(int fd, const struct sockaddr_in6 *peer)
{
	struct kv_conn *c = kv_zalloc(sizeof(*c) +
	    max_ops() * sizeof(c->c_replies[0]));
	int error;

	c->c_ops = kv_alloc(max_ops() * sizeof(*c->c_ops));
	c->c_fd = fd;
	c->c_peer = *peer;
	c->c_cpu = (unsigned int)lwkt_cpuid();
	c->c_id = ++kv_server.s_nextid;
	c->c_since = c->c_active = kv_clock_ms();
	kv_resp_init(&c->c_in);
	error = lwkt_create(conn_main, c, NULL, NULL, 0, lwkt_cpuid(),
	    "conn/%lu", (unsigned long)c->c_id);
	if (error != 0) {
		kv_log("client %s closed: no thread could be created for it, "
		    "error %d", kv_conn_addr(c), error);
		conn_free(c);
	}
}

/*
 * Begin the connections of a CPU.  This runs on that CPU, so their memory is
 * allocated and freed there.
 */
static void
door_main(void *arg)
{
	struct guest *g;

	(void)arg;
	for (;;) {
		g = (struct guest *)lwkt_waitport(lwkt_curport(), 0);
		conn_start(g->g_fd, &g->g_peer);
		kv_free(g);
	}
}

/* Start the thread of every CPU that begins its connections. */
void
kv_doors_start(void)
{
	lwkt_thread_t td;
	int error;

	for (unsigned int i = 0; i < kv_server.s_ncpus; i++) {
		error = lwkt_create(door_main, NULL, &td, NULL, 0, (int)i,
		    "door/%u", i);
		if (error != 0)
			kv_die("no thread to begin connections: error %d",
			    error);
		doors[i] = lwkt_threadport(td);
	}
}

/* Bring the new connection of descriptor fd to its CPU. */
void
kv_conn_admit(int fd, const struct sockaddr_in6 *peer, unsigned int cpu)
{
	struct guest *g;

	kv_server.s_conns++;
	if (cpu == (unsigned int)lwkt_cpuid()) {
		conn_start(fd, peer);
		return;
	}
	g = kv_alloc(sizeof(*g));
	g->g_fd = fd;
	g->g_peer = *peer;
	lwkt_initmsg(&g->g_msg, lwkt_curport(), 0);
	lwkt_sendmsg(doors[cpu], &g->g_msg);
}
