/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start, options, and the end: by a signal, also under load.
 */
#include "client.h"

#include <ifaddrs.h>
#include <net/if.h>

/* Run the server to its end; its status, its output in buf. */
static int
run(const char *const *args, char *buf, size_t size, const char *log)
{
	const char *path = getenv("LWKT_KV");
	char *argv[16] = { (char *)(uintptr_t)path };
	int out, status, n = 1;
	size_t len = 0;
	ssize_t got;
	pid_t pid;

	while (*args != NULL && n < 15)
		argv[n++] = (char *)(uintptr_t)*args++;
	pid = spawn(argv, &out, log);
	while (len < size - 1 &&
	    (got = read(out, buf + len, size - 1 - len)) > 0)
		len += (size_t)got;
	buf[len] = '\0';
	close(out);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
explains_itself(void)
{
	char buf[4096];

	is_int(run((const char *const[]){ "--help", NULL }, buf, sizeof(buf),
	    "/dev/null"), 0, "--help ends with 0");
	ok(strstr(buf, "--maxmemory") != NULL, "and names the options");
	is_int(run((const char *const[]){ "--version", NULL }, buf,
	    sizeof(buf), "/dev/null"), 0, "--version ends with 0");
	ok(strncmp(buf, "lwkt-kv ", 8) == 0, "and says a version");
}

static void
refuses_bad_options(void)
{
	static const char *const bad[][3] = {
		{ "--port", "x" }, { "--port", "70000" }, { "--nosuch" },
		{ "--cpus", "0" }, { "--maxmemory", "lots" }, { "word" },
		{ "--maxclients", "-1" }, { "--port" },
	};
	char log[] = "/tmp/kv-test.XXXXXX", buf[256];

	close(mkstemp(log));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct stat st;

		truncate(log, 0);
		is_int(run(bad[i], buf, sizeof(buf), log), 2, "%s %s",
		    bad[i][0], bad[i][1] != NULL ? bad[i][1] : "");
		ok(stat(log, &st) == 0 && st.st_size > 10,
		    "with an explanation");
	}
	unlink(log);
}

static void
finds_a_free_port(void)
{
	struct server s = server_start(NULL);
	char port[16], buf[256];
	struct server t;

	snprintf(port, sizeof(port), "%d", s.port);
	is_int(run((const char *const[]){ "--port", port, NULL }, buf,
	    sizeof(buf), "/dev/null"), 1, "a port in use is an error");
	t = server_start((const char *const[]){ "--port-auto", port, NULL });
	ok(t.port > s.port, "--port-auto takes the next one");
	is_int(server_stop(&t, SIGINT), 0, "SIGINT ends it with 0");
	is_int(server_stop(&s, SIGTERM), 0, "SIGTERM too");
}

/* A terminal that is closed does not end it. */
static void
survives_a_hangup(void)
{
	struct server s = server_start(NULL);
	struct client c = client_open(s.port);

	expect(&c, "SET a 1", "+OK");
	kill(s.pid, SIGHUP);
	kill(s.pid, SIGPIPE);
	expect(&c, "GET a", "\"1\"");
	expect(&c, "PING", "+PONG");
	is_int(server_stop(&s, SIGTERM), 0, "after SIGHUP it ends well");
	client_close(&c);
}

/* An address of this machine that is not the loopback's; false: none. */
static bool
other_address(struct sockaddr_in *sin)
{
	struct ifaddrs *all, *i;
	bool found = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (i = all; i != NULL && !found; i = i->ifa_next) {
		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET ||
		    (i->ifa_flags & IFF_LOOPBACK) != 0)
			continue;
		memcpy(sin, i->ifa_addr, sizeof(*sin));
		found = true;
	}
	freeifaddrs(all);
	return found;
}

static struct client
connect_to(const struct sockaddr_in *sin, int port)
{
	struct sockaddr_in to = *sin;
	struct client c = { .fd = socket(AF_INET, SOCK_STREAM, 0) };

	to.sin_port = htons((uint16_t)port);
	if (connect(c.fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		c.dead = true;
	return c;
}

/* Without a password, it serves its own machine and nobody else. */
static void
protects_itself(void)
{
	struct sockaddr_in sin;
	struct client c, d;
	struct server s;
	char *got;

	if (!other_address(&sin)) {
		skip("this machine has only the loopback interface");
		return;
	}
	s = server_start((const char *const[]){ "--bind", "0.0.0.0", NULL });
	ok(server_logged(&s, "warning"), "it warns that others reach it");
	c = connect_to(&sin, s.port);
	got = client_reply(&c, 0);
	ok(got != NULL && strncmp(got, "-DENIED", 7) == 0,
	    "a client from elsewhere is refused");
	free(got);
	ok(client_line(&c) == NULL, "and disconnected");
	client_close(&c);
	d = client_open(s.port);
	expect(&d, "CONFIG SET protected-mode no", "+OK");
	c = connect_to(&sin, s.port);
	expect(&c, "PING", "+PONG");
	client_close(&c);
	client_close(&d);
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
}

/* A child that counts up as fast as it can; it exits 0 if all was answered. */
static pid_t
load(int port, int number)
{
	pid_t pid = fork();
	char line[64], *got;
	struct client c;

	if (pid != 0)
		return pid;
	c = client_open(port);
	snprintf(line, sizeof(line), "INCR load:%d", number);
	for (long n = 1;; n++) {
		client_command(&c, line);
		got = client_reply(&c, 0);
		if (got == NULL)
			break;		/* the end, between two answers */
		if (atol(got + 1) != n)
			_exit(1);
		free(got);
	}
	_exit(c.pos == c.len ? 0 : 2);
}

static void
ends_under_load(void)
{
	struct server s = server_start((const char *const[]){ "--cpus", "2",
	    NULL });
	struct client c = client_open(s.port);
	struct text t = { 0 };
	pid_t pids[8];
	int good = 0, answers = 0, status;
	char *got;

	for (int i = 0; i < 8; i++)
		pids[i] = load(s.port, i);
	/* What has arrived before the signal is answered. */
	for (int i = 0; i < 1000; i++)
		text_str(&t, "PING\r\n");
	usleep(200000);
	client_send(&c, t.p, t.len);
	free(t.p);
	usleep(50000);
	is_int(server_stop(&s, SIGTERM), 0, "SIGTERM under load: status 0");
	for (int i = 0; i < 8; i++) {
		waitpid(pids[i], &status, 0);
		good += status == 0;
	}
	is_int(good, 8, "no client saw half an answer");
	while ((got = client_reply(&c, 0)) != NULL) {
		answers += strcmp(got, "+PONG") == 0;
		free(got);
	}
	is_int(answers, 1000, "what was accepted was answered");
	client_close(&c);
}

static void
kills_clients(void)
{
	struct server s = server_start((const char *const[]){ "--cpus", "2",
	    NULL });
	struct client c[6];
	char line[64], *got;
	long id;

	for (int i = 0; i < 6; i++)
		c[i] = client_open(s.port);
	for (int i = 1; i < 6; i++) {
		id = client_number(&c[i], "CLIENT ID");
		snprintf(line, sizeof(line), "CLIENT KILL ID %ld", id);
		expect(&c[0], line, ":1");
		ok(client_line(&c[i]) == NULL, "client %ld is gone", id);
		client_close(&c[i]);
	}
	got = client_ask(&c[0], "CLIENT LIST");
	ok(got != NULL && strstr(got, "cmd=client") != NULL, "the killer "
	    "is still there");
	free(got);
	id = client_number(&c[0], "CLIENT ID");
	snprintf(line, sizeof(line), "CLIENT KILL ID %ld SKIPME no", id);
	expect(&c[0], line, ":1");
	ok(client_line(&c[0]) == NULL, "a client that kills itself gets its "
	    "answer");
	client_close(&c[0]);
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
}

int
main(void)
{
	watchdog(100);
	explains_itself();
	refuses_bad_options();
	finds_a_free_port();
	survives_a_hangup();
	protects_itself();
	ends_under_load();
	kills_clients();
	return tap_done();
}
