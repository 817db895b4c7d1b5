/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of the store from outside: start a server, talk to it, stop it.
 *
 * THEORY: a server is started with port 0 on 127.0.0.1 and says its port in
 * its first line.  It is killed by its process id at the end, and by the
 * kernel if the test dies first.  A watchdog ends a test that hangs.
 *
 * Replies are shown as text that one can read in a table:
 *	+OK  -ERR text  :1  "bulk"  nil  [a, b]  ~[set]  {map: 1}  ,1.5  =text
 */
#ifndef KV_TESTS_CLIENT_H
#define KV_TESTS_CLIENT_H

#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#define UNUSED		__attribute__((unused))
#define MAXARGS		64
#define SORT_PAIRS	9	/* a list of pairs, or a map, without order */

struct server {
	pid_t	pid;
	int	port;
	char	log[64];	/* file that has its stderr */
};

/* A growing string. */
struct text {
	char	*p;
	size_t	 len, cap;
};

struct client {
	int	 fd;
	char	*buf;		/* received and not yet shown */
	size_t	 pos, len, cap;
	bool	 dead;
};

static UNUSED void
text_add(struct text *t, const void *p, size_t len)
{
	if (t->cap - t->len < len + 1) {
		t->cap = (t->cap + len + 64) * 2;
		t->p = realloc(t->p, t->cap);
		if (t->p == NULL)
			abort();
	}
	if (len > 0)
		memcpy(t->p + t->len, p, len);
	t->len += len;
	t->p[t->len] = '\0';
}

static UNUSED void
text_str(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

/* A server that a sanitizer watches takes so many times as long. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SLOWER	10
#else
#define SLOWER	1
#endif

/* End this process if it is not done in time: nothing may hang forever. */
static UNUSED void
watchdog(unsigned int seconds)
{
	signal(SIGPIPE, SIG_IGN);
	alarm(seconds * SLOWER);
}

/* Start a program with its output in a pipe and its log in a file. */
static UNUSED pid_t
spawn(char *const argv[], int *outp, const char *log)
{
	int fds[2], fd;
	pid_t pid;

	if (pipe(fds) != 0)
		abort();
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, STDERR_FILENO);
		dup2(fds[1], STDOUT_FILENO);
		for (int i = 3; i < 64; i++)
			close(i);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(fds[1]);
	*outp = fds[0];
	return pid;
}

/* A server with extra options (NULL-terminated list). */
static UNUSED struct server
server_start(const char *const *extra)
{
	struct server s = { .pid = -1 };
	const char *path = getenv("LWKT_KV");
	char *argv[32] = { 0 }, line[256] = "";
	size_t n = 0, len = 0;
	int out;

	argv[n++] = (char *)(uintptr_t)(path != NULL ? path : "lwkt-kv");
	argv[n++] = (char *)(uintptr_t)"--port";
	argv[n++] = (char *)(uintptr_t)"0";
	while (extra != NULL && *extra != NULL && n < 31)
		argv[n++] = (char *)(uintptr_t)*extra++;
	snprintf(s.log, sizeof(s.log), "/tmp/kv-test.XXXXXX");
	close(mkstemp(s.log));
	s.pid = spawn(argv, &out, s.log);
	while (len < sizeof(line) - 1 && strchr(line, '\n') == NULL) {
		ssize_t got = read(out, line + len, sizeof(line) - 1 - len);

		if (got <= 0)
			break;
		len += (size_t)got;
		line[len] = '\0';
	}
	close(out);
	if (sscanf(line, "Try: redis-cli -p %d", &s.port) != 1) {
		ok(0, "the server starts");
		exit(tap_done());
	}
	return s;
}

/* Ask it to end, or kill it; the status of waitpid. */
static UNUSED int
server_stop(struct server *s, int sig)
{
	int status = -1;

	kill(s->pid, sig);
	waitpid(s->pid, &status, 0);
	unlink(s->log);
	return status;
}

/* Does the server's log say this? */
static UNUSED bool
server_logged(const struct server *s, const char *what)
{
	char buf[65536];
	int fd = open(s->log, O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, buf, sizeof(buf) - 1) : -1;

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return strstr(buf, what) != NULL;
}

/* A connection, or one whose fd is -1. */
static UNUSED struct client
client_open(int port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct client c = { .fd = socket(AF_INET, SOCK_STREAM, 0) };

	if (c.fd >= 0 &&
	    connect(c.fd, (struct sockaddr *)&sin, sizeof(sin)) != 0) {
		close(c.fd);
		c.fd = -1;
	}
	return c;
}

static UNUSED void
client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->buf);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

static UNUSED void
client_send(struct client *c, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

		if (n <= 0) {
			c->dead = true;
			return;
		}
		p += n;
		len -= (size_t)n;
	}
}

static UNUSED void
client_str(struct client *c, const char *s)
{
	client_send(c, s, strlen(s));
}

static UNUSED bool
client_fill(struct client *c)
{
	ssize_t n;

	if (c->cap - c->len < 16384) {
		c->cap = c->cap * 2 + 65536;
		c->buf = realloc(c->buf, c->cap);
		if (c->buf == NULL)
			abort();
	}
	n = recv(c->fd, c->buf + c->len, c->cap - c->len, 0);
	if (n <= 0) {
		c->dead = true;
		return false;
	}
	c->len += (size_t)n;
	return true;
}

/* The next line, without its end, NUL-terminated; NULL: connection closed. */
static UNUSED char *
client_line(struct client *c)
{
	size_t seen = c->pos;
	char *end;

	if (c->pos == c->len)
		seen = c->pos = c->len = 0;
	for (;;) {
		end = c->len > seen ?
		    memchr(c->buf + seen, '\n', c->len - seen) : NULL;
		if (end != NULL)
			break;
		seen = c->len;
		if (!client_fill(c))
			return NULL;
	}
	seen = c->pos;
	c->pos = (size_t)(end - c->buf) + 1;
	if (end > c->buf + seen && end[-1] == '\r')
		end--;
	*end = '\0';
	return c->buf + seen;
}

static UNUSED char *
client_bytes(struct client *c, size_t len)
{
	while (c->len - c->pos < len) {
		if (!client_fill(c))
			return NULL;
	}
	c->pos += len;
	return c->buf + c->pos - len;
}

static int
text_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool client_show(struct client *c, struct text *t, int sort);

/* n parts, of which each is width replies; sorted if the order is free. */
static bool
show_list(struct client *c, struct text *t, long n, int width, int sort)
{
	char **parts = calloc((size_t)n + 1, sizeof(*parts));
	bool all = true;
	long i;

	for (i = 0; i < n && all; i++) {
		struct text part = { 0 };

		for (int w = 0; w < width && all; w++) {
			if (w > 0)
				text_str(&part, ": ");
			all = client_show(c, &part, sort > 0 ? sort - 1 : 0);
		}
		parts[i] = part.p;
	}
	if (sort == 1 && all)
		qsort(parts, (size_t)n, sizeof(*parts), text_compare);
	for (long k = 0; k < i; k++) {
		if (k > 0)
			text_str(t, ", ");
		text_str(t, parts[k] != NULL ? parts[k] : "");
		free(parts[k]);
	}
	free(parts);
	return all;
}

/*
 * Receive one reply and show it.  sort: at which depth lists have no order, 1
 * being the outermost, or SORT_PAIRS.  False: the connection was closed.
 */
static bool
client_show(struct client *c, struct text *t, int sort)
{
	char *line = client_line(c), *p, type;
	bool pairs;
	long n;

	if (line == NULL)
		return false;
	type = line[0];
	n = atol(line + 1);
	switch (type) {
	case '+': case '-': case ':': case ',': case '#':
		text_str(t, line);
		return true;
	case '_':
		text_str(t, "nil");
		return true;
	case '$': case '=':
		if (n < 0) {
			text_str(t, "nil");
			return true;
		}
		if ((p = client_bytes(c, (size_t)n + 2)) == NULL)
			return false;
		text_str(t, type == '=' ? "=\"" : "\"");
		text_add(t, p, (size_t)n);
		text_str(t, "\"");
		return true;
	case '*': case '~': case '%':
		if (n < 0) {
			text_str(t, "nil");
			return true;
		}
		text_str(t, type == '~' ? "~[" : type == '%' ? "{" : "[");
		pairs = type == '%' || sort == SORT_PAIRS;
		if (type != '%' && pairs)
			n /= 2;
		if (!show_list(c, t, n, pairs ? 2 : 1, pairs && sort ? 1 :
		    sort))
			return false;
		text_str(t, type == '%' ? "}" : "]");
		return true;
	default:
		text_str(t, "?");
		text_str(t, line);
		return true;
	}
}

/* One reply as text, to be freed; NULL: the connection was closed. */
static UNUSED char *
client_reply(struct client *c, int sort)
{
	struct text t = { 0 };

	if (client_show(c, &t, sort))
		return t.p;
	free(t.p);
	return NULL;
}

/* Send arguments as a command. */
static UNUSED void
client_argv(struct client *c, int argc, const char *const *argv,
    const size_t *lens)
{
	struct text t = { 0 };
	char head[32];

	snprintf(head, sizeof(head), "*%d\r\n", argc);
	text_str(&t, head);
	for (int i = 0; i < argc; i++) {
		size_t len = lens != NULL ? lens[i] : strlen(argv[i]);

		snprintf(head, sizeof(head), "$%zu\r\n", len);
		text_str(&t, head);
		text_add(&t, argv[i], len);
		text_str(&t, "\r\n");
	}
	client_send(c, t.p, t.len);
	free(t.p);
}

/*
 * Send a command written with spaces between its arguments; 'quotes' keep
 * spaces together or make an empty argument.
 */
static UNUSED void
client_command(struct client *c, const char *line)
{
	char copy[4096], *p = copy;
	const char *argv[MAXARGS];
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	while (*p != '\0' && argc < MAXARGS) {
		char end = ' ';

		while (*p == ' ')
			p++;
		if (*p == '\0')
			break;
		if (*p == '\'') {
			end = '\'';
			p++;
		}
		argv[argc++] = p;
		p += strcspn(p, end == ' ' ? " " : "'");
		if (*p != '\0')
			*p++ = '\0';
	}
	client_argv(c, argc, argv, NULL);
}

/* A command and its reply, as text to be freed. */
static UNUSED char *
client_ask(struct client *c, const char *line)
{
	client_command(c, line);
	return client_reply(c, 0);
}

/* One assertion: the reply to a command is this. */
static UNUSED int
expect(struct client *c, const char *line, const char *want)
{
	char *got = client_ask(c, line);
	int same = is_str(got, want, "%s", line);

	free(got);
	return same;
}

static UNUSED long
client_number(struct client *c, const char *line)
{
	char *got = client_ask(c, line);
	long n = got != NULL && got[0] == ':' ? atol(got + 1) : -1;

	free(got);
	return n;
}

/* What the server says that it uses. */
static UNUSED long
used_memory(struct client *c)
{
	char *got = client_ask(c, "INFO memory");
	char *p = got != NULL ? strstr(got, "used_memory:") : NULL;
	long used = p != NULL ? atol(p + 12) : -1;

	free(got);
	return used;
}

static UNUSED bool
have_program(const char *name)
{
	char path[4096], *dirs, *dir, *save = NULL;
	bool found = false;

	dirs = strdup(getenv("PATH") != NULL ? getenv("PATH") : "");
	for (dir = strtok_r(dirs, ":", &save); dir != NULL && !found;
	    dir = strtok_r(NULL, ":", &save)) {
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		found = access(path, X_OK) == 0;
	}
	free(dirs);
	return found;
}

/* A number that makes chance repeatable: KV_SEED, or the time. */
static UNUSED uint64_t
test_seed(void)
{
	const char *s = getenv("KV_SEED");
	uint64_t seed = s != NULL ? strtoull(s, NULL, 0) :
	    (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();

	diag("KV_SEED=%llu", (unsigned long long)seed);
	return seed | 1;
}

static UNUSED uint64_t
test_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x >> 11;
}

#endif
