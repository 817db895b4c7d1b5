/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A light load generator for a store that speaks the Redis protocol.
 *
 *	kvload PORT fill KEYS
 *	kvload PORT load get|set KEYS CONNS DEPTH SECONDS
 *	kvload PORT probe KEYS CONNS RATE SECONDS none|keys|flush|big
 *
 * `load` keeps DEPTH requests under way on each connection and prints requests
 * a second and the latency of a batch.  `probe` sends GETs at a fixed rate,
 * whether answers come or not, while a child process does something heavy on
 * a connection of its own, and prints the latency of the GETs, counted from
 * the time each was due (so a stalled server cannot hide behind a stalled
 * client), and how often the heavy command was answered.
 *
 * Key number i has the value v and i in 12 digits; every answer is compared.
 */
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <signal.h>
#include "../bench.h"

#define DEPTH_MAX	128
#define REQUEST_MAX	64
#define VALUE_REPLY	20		/* "$13\r\nv############\r\n" */
#define NIL_REPLY	5		/* "$-1\r\n", and "+OK\r\n" */
#define PENDING_MAX	65536		/* probes under way, a connection */
#define BIG		(100 << 20)
#define HEAD_START_NS	300000000	/* of the heavy client */

struct conn {
	int		fd;
	size_t		nin, nexpect;
	char		in[DEPTH_MAX * REQUEST_MAX];
	char		expect[DEPTH_MAX * VALUE_REPLY];
	int64_t		sent_at;
	unsigned	head, tail;	/* probes: next to send, to come */
	struct probe {
		int64_t	due_at;
		long	key;
	}	       *probe;
};

static int port, depth;
static long nkeys;
static uint64_t rng;
static struct bench_hist hist;

static int
dial(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd, one = 1;

	sin.sin_port = htons((uint16_t)port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	bench_check(fd >= 0 && connect(fd, (struct sockaddr *)&sin,
	    sizeof(sin)) == 0, "cannot connect to port %d", port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return (fd);
}

static void
send_all(int fd, const char *buf, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = send(fd, buf, len, MSG_NOSIGNAL);
		bench_check(n > 0, "send: %s", strerror(errno));
		buf += n;
		len -= (size_t)n;
	}
}

static void
send_text(int fd, const char *text)
{
	send_all(fd, text, strlen(text));
}

static void
recv_all(int fd, char *buf, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = recv(fd, buf, len, MSG_WAITALL);
		bench_check(n > 0, "the server hung up");
		buf += n;
		len -= (size_t)n;
	}
}

/* A line of the answer, without its end. */
static void
recv_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	do {
		bench_check(n + 1 < size, "line too long");
		recv_all(fd, &line[n], 1);
	} while (line[n++] != '\n');
	line[n - 2] = '\0';
}

static void
recv_exactly(int fd, const char *want)
{
	char line[256];

	recv_line(fd, line, sizeof(line));
	bench_check(strcmp(line, want) == 0, "'%s', not '%s'", line, want);
}

static size_t
put_get(char *buf, long key)
{
	return ((size_t)sprintf(buf,
	    "*2\r\n$3\r\nGET\r\n$16\r\nkey:%012ld\r\n", key));
}

static size_t
put_set(char *buf, long key)
{
	return ((size_t)sprintf(buf, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012ld\r\n"
	    "$13\r\nv%012ld\r\n", key, key));
}

static size_t
put_value(char *buf, long key)
{
	return ((size_t)sprintf(buf, "$13\r\nv%012ld\r\n", key));
}

static long
random_key(void)
{
	return ((long)(bench_random(&rng) % (uint64_t)nkeys));
}

/* fill */

static void
fill(int fd)
{
	char buf[DEPTH_MAX * 80], line[64];
	size_t len;
	long key = 0;
	int n;

	while (key < nkeys) {
		len = 0;
		for (n = 0; n < DEPTH_MAX && key < nkeys; n++)
			len += put_set(&buf[len], key++);
		send_all(fd, buf, len);
		for (; n > 0; n--) {
			recv_all(fd, line, NIL_REPLY);
			bench_check(memcmp(line, "+OK\r\n", NIL_REPLY) == 0,
			    "SET: %.5s", line);
		}
	}
	send_text(fd, "DBSIZE\r\n");
	recv_line(fd, line, sizeof(line));
	bench_check(line[0] == ':' && strtol(&line[1], NULL, 10) >= nkeys,
	    "DBSIZE after the fill: %s", line);
}

/* load */

static void
next_batch(struct conn *c, int set)
{
	char out[DEPTH_MAX * REQUEST_MAX * 2];
	size_t len = 0;
	long key;

	c->nin = c->nexpect = 0;
	for (int i = 0; i < depth; i++) {
		key = random_key();
		if (set) {
			len += put_set(&out[len], key);
			memcpy(&c->expect[c->nexpect], "+OK\r\n", NIL_REPLY);
			c->nexpect += NIL_REPLY;
		} else {
			len += put_get(&out[len], key);
			c->nexpect += put_value(&c->expect[c->nexpect], key);
		}
	}
	c->sent_at = bench_now();
	send_all(c->fd, out, len);
}

/* Take what has come; whether that was the whole batch. */
static int
take_batch(struct conn *c)
{
	ssize_t n;

	n = recv(c->fd, &c->in[c->nin], sizeof(c->in) - c->nin, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return (0);
	bench_check(n > 0, "the server hung up");
	bench_check(c->nin + (size_t)n <= c->nexpect &&
	    memcmp(&c->in[c->nin], &c->expect[c->nin], (size_t)n) == 0,
	    "wrong answer: %.*s", (int)n, &c->in[c->nin]);
	c->nin += (size_t)n;
	return (c->nin == c->nexpect);
}

static struct conn *
dial_many(int ep, int nconns)
{
	struct conn *conn = calloc((size_t)nconns, sizeof(*conn));
	struct epoll_event ev = { .events = EPOLLIN };

	bench_check(conn != NULL, "no memory");
	for (int i = 0; i < nconns; i++) {
		conn[i].fd = dial();
		ev.data.ptr = &conn[i];
		epoll_ctl(ep, EPOLL_CTL_ADD, conn[i].fd, &ev);
	}
	return (conn);
}

static void
load(int set, int nconns, int seconds)
{
	int ep = epoll_create1(0);
	struct conn *conn = dial_many(ep, nconns), *c;
	int64_t begin = bench_now(), now = begin;
	int64_t end = begin + (int64_t)seconds * 1000000000;
	struct epoll_event ev[64];
	uint64_t answered = 0;
	int n;

	for (int i = 0; i < nconns; i++)
		next_batch(&conn[i], set);
	while (now < end) {
		n = epoll_wait(ep, ev, 64, 1000);
		bench_check(n > 0, "no answer for a second");
		now = bench_now();
		for (int i = 0; i < n; i++) {
			c = ev[i].data.ptr;
			if (!take_batch(c))
				continue;
			bench_hist_add(&hist, now - c->sent_at);
			answered += (uint64_t)depth;
			next_batch(c, set);
		}
	}
	printf("rate %.0f p50_us %.0f p99_us %.0f\n",
	    (double)answered * 1e9 / (double)(now - begin),
	    bench_hist_us(&hist, 0.5), bench_hist_us(&hist, 0.99));
}

/* probe: the heavy client, a process of its own */

static void
loop_keys(int fd, volatile long *rounds)
{
	static char buf[1 << 16];
	char line[64];
	size_t left, n;

	for (;;) {
		send_text(fd, "*2\r\n$4\r\nKEYS\r\n$1\r\n*\r\n");
		recv_line(fd, line, sizeof(line));
		bench_check(line[0] == '*' && strtol(&line[1], NULL, 10) ==
		    nkeys, "KEYS: %s", line);
		/* All keys are equally long: "$16\r\nkey:############\r\n". */
		for (left = (size_t)nkeys * 23; left > 0; left -= n) {
			n = left < sizeof(buf) ? left : sizeof(buf);
			recv_all(fd, buf, n);
		}
		++*rounds;
	}
}

static void
loop_flush(int fd, volatile long *rounds)
{
	for (;;) {
		send_text(fd, "FLUSHALL\r\n");
		recv_exactly(fd, "+OK");
		++*rounds;
		usleep(200000);
		fill(fd);
		usleep(200000);
	}
}

static void
loop_big(int fd, volatile long *rounds)
{
	char *value = malloc(BIG), head[64], line[64];
	int n;

	bench_check(value != NULL, "no memory");
	n = sprintf(head, "*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n", BIG);
	for (;;) {
		memset(value, 'x', BIG);
		send_all(fd, head, (size_t)n);
		send_all(fd, value, BIG);
		send_text(fd, "\r\n");
		recv_exactly(fd, "+OK");
		send_text(fd, "*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n");
		recv_line(fd, line, sizeof(line));
		bench_check(strtol(&line[1], NULL, 10) == BIG, "GET: %s",
		    line);
		recv_all(fd, value, BIG);
		recv_exactly(fd, "");
		bench_check(value[0] == 'x' && value[BIG - 1] == 'x',
		    "another value");
		++*rounds;
	}
}

static pid_t
start_heavy(const char *what, volatile long *rounds)
{
	pid_t pid;
	int fd;

	if (strcmp(what, "none") == 0)
		return (0);
	pid = fork();
	bench_check(pid >= 0, "fork: %s", strerror(errno));
	if (pid > 0)
		return (pid);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = dial();
	if (strcmp(what, "keys") == 0)
		loop_keys(fd, rounds);
	else if (strcmp(what, "flush") == 0)
		loop_flush(fd, rounds);
	else if (strcmp(what, "big") == 0)
		loop_big(fd, rounds);
	_exit(1);
}

/* The heavy client and the probes share a core: the probes go first. */
static void
go_first(void)
{
	struct sched_param sp = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &sp) != 0 && nice(-10) < 0)
		fprintf(stderr, "kvload: no right to a higher priority\n");
}

static void
send_probe(struct conn *c, int64_t due_at)
{
	struct probe *p = &c->probe[c->head++ % PENDING_MAX];
	char out[REQUEST_MAX];

	bench_check(c->head - c->tail < PENDING_MAX, "the server is stuck");
	p->due_at = due_at;
	p->key = random_key();
	send_all(c->fd, out, put_get(out, p->key));
}

/* Take what has come and note each answer: the value, or nil when flushed. */
static void
take_probes(struct conn *c, int may_be_nil)
{
	size_t used = 0, want;
	char value[32];
	ssize_t n;

	n = recv(c->fd, &c->in[c->nin], sizeof(c->in) - c->nin, MSG_DONTWAIT);
	bench_check(n > 0 || errno == EAGAIN, "the server hung up");
	c->nin += n > 0 ? (size_t)n : 0;
	while (c->nin - used >= NIL_REPLY) {
		struct probe *p = &c->probe[c->tail % PENDING_MAX];

		want = c->in[used + 1] == '-' ? NIL_REPLY : VALUE_REPLY;
		if (c->nin - used < want)
			break;
		put_value(value, p->key);
		bench_check(want == NIL_REPLY ? may_be_nil :
		    memcmp(&c->in[used], value, want) == 0,
		    "wrong answer: %.*s", (int)want, &c->in[used]);
		bench_hist_add(&hist, bench_now() - p->due_at);
		c->tail++;
		used += want;
	}
	memmove(c->in, &c->in[used], c->nin - used);
	c->nin -= used;
}

static uint64_t
probe_until(int ep, struct conn *conn, int nconns, long rate, int seconds,
    int may_be_nil)
{
	int64_t begin = bench_now(), now, due_at;
	uint64_t sent = 0, total = (uint64_t)(rate * seconds);
	struct epoll_event ev[64];
	struct timespec ts = { 0 };
	int n;

	while (hist.count < total) {
		now = bench_now();
		due_at = begin + (int64_t)sent * (1000000000 / rate);
		while (sent < total && due_at <= now) {
			send_probe(&conn[sent++ % (uint64_t)nconns], due_at);
			due_at += 1000000000 / rate;
		}
		bench_check(now < begin + (seconds + 20) * 1000000000ll,
		    "%llu answers are missing",
		    (unsigned long long)(total - hist.count));
		ts.tv_nsec = sent < total ? due_at - now : 100000000;
		n = epoll_pwait2(ep, ev, 64, &ts, NULL);
		for (int i = 0; i < n; i++)
			take_probes(ev[i].data.ptr, may_be_nil);
	}
	return (sent);
}

static void
probe(int nconns, long rate, int seconds, const char *heavy)
{
	volatile long *rounds = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ep = epoll_create1(0), status = 0;
	struct conn *conn = dial_many(ep, nconns);
	pid_t pid = start_heavy(heavy, rounds);

	for (int i = 0; i < nconns; i++)
		conn[i].probe = calloc(PENDING_MAX, sizeof(struct probe));
	go_first();
	usleep(HEAD_START_NS / 1000);
	probe_until(ep, conn, nconns, rate, seconds,
	    strcmp(heavy, "flush") == 0);
	printf("p50_us %.0f p99_us %.0f max_us %.0f heavy %ld\n",
	    bench_hist_us(&hist, 0.5), bench_hist_us(&hist, 0.99),
	    bench_hist_us(&hist, 1 - 1e-9), *rounds);
	if (pid == 0)
		return;
	bench_check(waitpid(pid, &status, WNOHANG) == 0,
	    "the heavy client ended with %#x", status);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int
main(int argc, char **argv)
{
	const char *mode = argc > 3 ? argv[2] : "";

	port = (int)bench_arg(argc, argv, 1, 6379);
	rng = (uint64_t)bench_now() | 1;
	if (strcmp(mode, "fill") == 0) {
		nkeys = bench_arg(argc, argv, 3, 1);
		fill(dial());
	} else if (strcmp(mode, "load") == 0) {
		nkeys = bench_arg(argc, argv, 4, 100000);
		depth = (int)bench_arg(argc, argv, 6, 1);
		bench_check(depth <= DEPTH_MAX, "depth: %d", DEPTH_MAX);
		load(strcmp(argv[3], "set") == 0,
		    (int)bench_arg(argc, argv, 5, 50),
		    (int)bench_arg(argc, argv, 7, 2));
	} else if (strcmp(mode, "probe") == 0) {
		nkeys = bench_arg(argc, argv, 3, 1000000);
		probe((int)bench_arg(argc, argv, 4, 10),
		    bench_arg(argc, argv, 5, 1000),
		    (int)bench_arg(argc, argv, 6, 3),
		    argc > 7 ? argv[7] : "none");
	} else {
		bench_check(0, "usage: kvload PORT fill|load|probe ...");
	}
	return (0);
}
