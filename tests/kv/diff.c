/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store and redis-server get the same random commands and must say the
 * same, errors included.  Skipped where redis-server is missing.
 *
 * Keys, fields and values come from small pools, so that commands meet values
 * of every type.  What is random or has no order is left out or sorted.
 */
#include "random.h"

static pid_t redis_pid;

/* redis-server on a free port, without any file; its port. */
static int
start_redis(void)
{
	char port[16];
	char *const argv[] = {
		(char *)(uintptr_t)"redis-server", (char *)(uintptr_t)"--port",
		port, (char *)(uintptr_t)"--bind",
		(char *)(uintptr_t)"127.0.0.1", (char *)(uintptr_t)"--save",
		(char *)(uintptr_t)"", (char *)(uintptr_t)"--appendonly",
		(char *)(uintptr_t)"no", (char *)(uintptr_t)"--databases",
		(char *)(uintptr_t)"1", NULL
	};

	for (int tries = 0; tries < 20; tries++) {
		int n = 20000 + (int)((unsigned int)(getpid() * 37 +
		    tries * 1009) % 20000), out, status;
		struct client c;

		snprintf(port, sizeof(port), "%d", n);
		redis_pid = spawn(argv, &out, "/dev/null");
		close(out);
		for (int ms = 0; ms < 5000; ms += 20) {
			if (waitpid(redis_pid, &status, WNOHANG) != 0)
				break;
			c = client_open(n);
			if (c.fd >= 0) {
				client_close(&c);
				return n;
			}
			usleep(20000);
		}
		kill(redis_pid, SIGKILL);
		waitpid(redis_pid, &status, 0);
	}
	return -1;
}

/* One command to both; false when they differ. */
static bool
compare(struct client c[2], const char *line, int sort)
{
	char *reply[2];
	bool same;

	for (int i = 0; i < 2; i++)
		client_command(&c[i], line);
	for (int i = 0; i < 2; i++)
		reply[i] = client_reply(&c[i], sort);
	same = reply[0] != NULL && reply[1] != NULL &&
	    strcmp(reply[0], reply[1]) == 0;
	if (!same) {
		diag("%s", line);
		diag("lwkt-kv: %s", reply[0] != NULL ? reply[0] : "closed");
		diag("redis:   %s", reply[1] != NULL ? reply[1] : "closed");
	}
	free(reply[0]);
	free(reply[1]);
	return same;
}

static int
run(struct client c[2], uint64_t *seed, int count)
{
	int differ = 0;

	for (int i = 0; i < count && differ < 10; i++) {
		const char *form = forms[test_random(seed) % NFORMS];
		int sort = *form == '~' ? 1 : *form == '%' ? SORT_PAIRS : 0;
		char *line = fill(form + (sort != 0), seed);

		differ += !compare(c, line, sort);
		free(line);
		if (test_random(seed) % 500 == 0)
			differ += !compare(c, "FLUSHALL", 0);
	}
	return differ;
}

int
main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 20000, port;
	uint64_t seed;
	struct server s;
	struct client c[2];

	watchdog(240);
	if (!have_program("redis-server"))
		skip_all("there is no redis-server");
	seed = test_seed();
	s = server_start((const char *const[]){ "--cpus", "2", NULL });
	port = start_redis();
	if (!ok(port > 0, "redis-server runs"))
		return tap_done();
	c[0] = client_open(s.port);
	c[1] = client_open(port);
	is_int(run(c, &seed, count), 0, "%d commands, RESP2", count);
	for (int i = 0; i < 2; i++) {
		client_command(&c[i], "HELLO 3");
		free(client_reply(&c[i], 0));
	}
	is_int(run(c, &seed, count), 0, "%d commands, RESP3", count);
	client_close(&c[0]);
	client_close(&c[1]);
	kill(redis_pid, SIGKILL);
	waitpid(redis_pid, NULL, 0);
	is_int(server_stop(&s, SIGTERM), 0, "the store ends well");
	return tap_done();
}
