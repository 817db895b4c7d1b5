/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store and redis-server get the same random commands and must say the
 * same, errors included.  Skipped where redis-server is missing.
 *
 * Keys, fields and values come from small pools, so that commands meet values
 * of every type.  What is random or has no order is left out or sorted.
 */
#include "random.h"
#include "redis.h"

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
