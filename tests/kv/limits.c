/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens at each limit: memory, clients, descriptors, a client that does
 * not read; and that keys end.
 */
#include "client.h"

#include <sys/resource.h>

static void
says_oom_and_recovers(void)
{
	struct server s = server_start((const char *const[]){ "--maxmemory",
	    "8mb", NULL });
	struct client c = client_open(s.port);
	char line[1100], *got = NULL;
	int n;

	memset(line, 'x', sizeof(line));
	for (n = 0; n < 20000; n++) {
		snprintf(line, 32, "SET key:%d ", n);
		line[strlen(line)] = 'x';
		line[1024] = '\0';
		free(got);
		got = client_ask(&c, line);
		if (got == NULL || got[0] == '-')
			break;
	}
	is_str(got, "-OOM command not allowed when used memory > "
	    "'maxmemory'.", "SET is refused");
	free(got);
	ok(n > 1000 && n < 8192, "after %d values of 1 KB in 8 MB", n);
	expect(&c, "LPUSH l x", "-OOM command not allowed when used memory > "
	    "'maxmemory'.");
	got = client_ask(&c, "GET key:1");
	ok(got != NULL && got[0] == '"', "reading goes on");
	free(got);
	expect(&c, "DEL nosuch", ":0");
	expect(&c, "FLUSHALL", "+OK");
	for (n = 0; n < 500; n++) {
		got = client_ask(&c, "SET a 1");
		if (got == NULL || got[0] == '+')
			break;
		free(got);
		usleep(10000);
	}
	is_str(got, "+OK", "after FLUSHALL there is room again");
	free(got);
	expect(&c, "CONFIG SET maxmemory 1", "+OK");
	expect(&c, "SET a 2", "-OOM command not allowed when used memory > "
	    "'maxmemory'.");
	expect(&c, "CONFIG SET maxmemory 0", "+OK");
	expect(&c, "SET a 2", "+OK");
	client_close(&c);
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
}

static void
refuses_clients_above_the_limit(void)
{
	struct server s = server_start((const char *const[]){ "--maxclients",
	    "3", NULL });
	struct client c[4];
	char *got;

	for (int i = 0; i < 3; i++) {
		c[i] = client_open(s.port);
		expect(&c[i], "PING", "+PONG");
	}
	c[3] = client_open(s.port);
	got = client_reply(&c[3], 0);
	is_str(got, "-ERR max number of clients reached", "a fourth of three");
	free(got);
	ok(client_line(&c[3]) == NULL, "is closed");
	client_close(&c[3]);
	client_close(&c[0]);
	for (int i = 0; i < 500; i++) {
		c[3] = client_open(s.port);
		got = client_ask(&c[3], "PING");
		if (got != NULL && strcmp(got, "+PONG") == 0)
			break;
		free(got);
		client_close(&c[3]);
		usleep(10000);
	}
	is_str(got, "+PONG", "when one goes another may come");
	free(got);
	for (int i = 1; i < 4; i++)
		client_close(&c[i]);
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
}

/* As many clients as there are descriptors for, and not more, can be set. */
static void
refuses_limits_above_the_machine(void)
{
	struct rlimit few;
	struct server s;
	struct client c;

	few.rlim_cur = few.rlim_max = 264;
	s = server_start((const char *const[]){ "--maxclients", "100",
	    NULL });
	prlimit(s.pid, RLIMIT_NOFILE, &few, NULL);
	c = client_open(s.port);
	expect(&c, "CONFIG SET maxclients 201", "-ERR CONFIG SET failed "
	    "(possibly related to argument 'maxclients') - The operating "
	    "system is not able to handle the specified number of clients, "
	    "try with 200");
	expect(&c, "CONFIG SET maxmemory 1gb maxclients 1000", "-ERR CONFIG "
	    "SET failed (possibly related to argument 'maxclients') - The "
	    "operating system is not able to handle the specified number of "
	    "clients, try with 200");
	expect(&c, "CONFIG GET max[cm][le]*s", "[\"maxclients\", \"100\"]");
	expect(&c, "CONFIG GET maxmemory", "[\"maxmemory\", \"0\"]");
	expect(&c, "CONFIG SET maxclients 200", "+OK");
	expect(&c, "CONFIG GET maxclients", "[\"maxclients\", \"200\"]");
	client_close(&c);
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
}

/*
 * A request that is not finished takes memory up to a limit, whatever it is
 * made of, and then its client goes and the memory comes back.
 */
static void
limits_unfinished_requests(void)
{
	struct server s = server_start((const char *const[]){
	    "--client-query-buffer-limit", "4mb", NULL });
	const char *const units[] = { "$0\r\n\r\n", "$5\r\nhello\r\n",
	    NULL, NULL };
	struct client c = client_open(s.port), d = client_open(s.port);
	long before = used_memory(&d);
	char *large = malloc(50000);

	for (size_t i = 0; i < 4; i++) {
		size_t len = i == 2 ? 30000 : 40000, sent = 0;
		struct text t = { 0 };

		snprintf(large, 50000, "$%zu\r\n%0*d\r\n", len, (int)len, 7);
		text_str(&t, "*2000000000\r\n$4\r\nMSET\r\n");
		while (t.len < 100000)
			text_str(&t, units[i] != NULL ? units[i] : large);
		while (!c.dead && sent < 64 << 20) {
			client_send(&c, t.p, t.len);
			sent += t.len;
			if (t.p[0] == '*')	/* the first time */
				memmove(t.p, strchr(t.p, 'M') + 6, t.len -=
				    (size_t)(strchr(t.p, 'M') + 6 - t.p));
		}
		ok(c.dead, "the client is closed after %zu KB", sent >> 10);
		free(t.p);
		client_close(&c);
		c = client_open(s.port);
	}
	free(large);
	ok(server_logged(&s, "a request of more than 4194304 bytes"),
	    "which the log says");
	for (int i = 0; i < 500 && used_memory(&d) > before + 100000; i++)
		usleep(10000);
	ok(used_memory(&d) <= before + 100000, "memory comes back");
	expect(&d, "CONFIG SET client-query-buffer-limit 1000", "-ERR CONFIG "
	    "SET failed (possibly related to argument "
	    "'client-query-buffer-limit') - argument must be between 1048576 "
	    "and 9223372036854775807 inclusive");
	client_close(&c);
	client_close(&d);
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
}

/* The server may open few files; more clients come than it can take. */
static void
survives_running_out_of_descriptors(void)
{
	struct rlimit old, few;
	struct client c[100];
	struct server s;
	int served = 0, closed = 0;

	getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	few.rlim_cur = few.rlim_max = 64;
	/* Its children inherit the soft limit; our own comes back. */
	few.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	s = server_start((const char *const[]){ "--maxclients", "10000",
	    NULL });
	setrlimit(RLIMIT_NOFILE, &old);
	prlimit(s.pid, RLIMIT_NOFILE, &few, NULL);
	for (int i = 0; i < 100; i++)
		c[i] = client_open(s.port);
	for (int i = 0; i < 100; i++) {
		char *got = c[i].fd >= 0 ? client_ask(&c[i], "PING") : NULL;

		if (got != NULL && strcmp(got, "+PONG") == 0)
			served++;
		else
			closed++;
		free(got);
	}
	ok(served > 20 && closed > 20, "%d clients served, %d turned away",
	    served, closed);
	ok(server_logged(&s, "out of descriptors"), "the log says why");
	for (int i = 0; i < 100; i++)
		client_close(&c[i]);
	for (int i = 0; i < 500; i++) {
		char *got;

		c[0] = client_open(s.port);
		got = client_ask(&c[0], "PING");
		client_close(&c[0]);
		if (got != NULL && strcmp(got, "+PONG") == 0) {
			free(got);
			served = -1;
			break;
		}
		free(got);
		usleep(10000);
	}
	is_int(served, -1, "afterwards clients are served again");
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
}

/* Asks for much and reads nothing; others do not notice. */
static void
disconnects_who_does_not_read(void)
{
	struct server s = server_start(NULL);
	struct client c = client_open(s.port), d = client_open(s.port);
	char value[20000], line[20100];
	int sent = 0;

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	client_argv(&d, 3, (const char *const[]){ "SET", "v", value }, NULL);
	free(client_reply(&d, 0));
	expect(&d, "CONFIG SET client-output-limit 1mb "
	    "client-output-timeout 1", "+OK");
	snprintf(line, sizeof(line), "GET v\r\n");
	fcntl(c.fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 1000; i++) {
		for (int k = 0; k < 100; k++)
			sent += send(c.fd, line, strlen(line),
			    MSG_NOSIGNAL) > 0;
		if (i % 100 == 0)
			expect(&d, "PING", "+PONG");
	}
	ok(sent > 1000, "%d requests sent and no reply read", sent);
	for (int i = 0; i < 1000 && !server_logged(&s, "has not read"); i++)
		usleep(10000);
	ok(server_logged(&s, "has not read"), "the client is disconnected, "
	    "which the log says");
	is_int(client_number(&d, "STRLEN v"), 19999, "others go on");
	client_close(&c);
	client_close(&d);
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
}

/* A slow reader below the limit gets everything. */
static void
waits_for_slow_readers(void)
{
	struct server s = server_start(NULL);
	struct client c = client_open(s.port);
	char value[20000], *got;
	int n = 500, right = 0;

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	client_argv(&c, 3, (const char *const[]){ "SET", "v", value }, NULL);
	free(client_reply(&c, 0));
	for (int i = 0; i < n; i++)
		client_str(&c, "GET v\r\n");
	usleep(200000);
	for (int i = 0; i < n; i++) {
		got = client_reply(&c, 0);
		right += got != NULL && strlen(got) == sizeof(value) + 1;
		free(got);
	}
	is_int(right, n, "10 MB of replies wait for a reader");
	client_close(&c);
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
}

static void
takes_many_connections(void)
{
	struct server s;
	struct client *c;
	struct rlimit rl;
	int n = 10000, open = 0, served = 0;

	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_cur < 10200) {
		n = (int)rl.rlim_cur - 200;
		diag("only %d connections: descriptors are limited", n);
	}
	s = server_start(NULL);
	c = calloc((size_t)n, sizeof(*c));
	for (int i = 0; i < n; i++) {
		c[i] = client_open(s.port);
		open += c[i].fd >= 0;
		if (c[i].fd >= 0)
			client_str(&c[i], "INCR n\r\n");
	}
	is_int(open, n, "%d connections are open at once", n);
	for (int i = 0; i < n; i++) {
		char line[64] = "";

		served += recv(c[i].fd, line, sizeof(line), 0) > 0 &&
		    line[0] == ':';
	}
	is_int(served, n, "and each is served");
	for (int i = 0; i < n; i++)
		client_close(&c[i]);
	c[0] = client_open(s.port);
	expect(&c[0], "PING", "+PONG");
	client_close(&c[0]);
	free(c);
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
}

/* Keys end by themselves, whether anybody looks or not. */
static void
ends_keys(void)
{
	struct server s = server_start((const char *const[]){ "--cpus", "2",
	    NULL });
	struct client c = client_open(s.port);
	char line[64];
	expect(&c, "SET now x PX 1", "+OK");
	usleep(5000);
	expect(&c, "GET now", "nil");
	expect(&c, "EXISTS now", ":0");
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "SET gone:%d x PX %d", i,
		    1 + i % 50);
		free(client_ask(&c, line));
	}
	expect(&c, "SET stays x PX 100000", "+OK");
	/* Whoever asks may push: so nobody does, for long enough. */
	sleep(2);
	is_int(client_number(&c, "DBSIZE"), 1,
	    "1000 keys ended and nobody asked for them");
	expect(&c, "EXISTS stays", ":1");
	client_close(&c);
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
}

int
main(void)
{
	watchdog(150);
	says_oom_and_recovers();
	refuses_clients_above_the_limit();
	refuses_limits_above_the_machine();
	limits_unfinished_requests();
	survives_running_out_of_descriptors();
	disconnects_who_does_not_read();
	waits_for_slow_readers();
	takes_many_connections();
	ends_keys();
	return tap_done();
}
