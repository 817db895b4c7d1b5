/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many clients at once on the same few keys, some of them large, so that
 * commands of several turns meet those that change, rename and delete what
 * they read.  Every reply must be complete, and in the end the server must
 * still do what it is told, and have given its memory back.
 */
#include "random.h"

#define CLIENTS	8
#define FIELDS	3000	/* several turns' worth */

static const char *const long_forms[] = {
	"HGETALL big:h", "HVALS big:h", "LRANGE big:l 0 -1", "SMEMBERS big:s",
	"ZRANGE big:z 0 -1 WITHSCORES", "SRANDMEMBER big:s 2000",
	"LREM big:l 0 x1", "LTRIM big:l 10 -10", "KEYS *", "SPOP big:s 700",
	"LPOP big:l 700", "ZPOPMIN big:z 700", "DEL big:h", "DEL big:l",
	"UNLINK big:s big:z", "RENAME big:h big:x", "RENAME big:x big:h",
	"EXPIRE big:l -1", "PEXPIRE big:z 1", "HSET big:h f1 x", "DBSIZE",
	"LPUSH big:l x", "SADD big:s x", "ZADD big:z 5 x", "SET big:h x",
	"CLIENT LIST", "INFO all", "RANDOMKEY", "SCAN 0 COUNT 100",
	"HDEL big:h f1 f2 f3", "SREM big:s x1 x2", "FLUSHALL",
	"MGET big:h key:1 key:2 key:3", "EXISTS big:h big:l big:s big:z",
};

#define NLONG	(sizeof(long_forms) / sizeof(long_forms[0]))

/* Make one of the large values anew, as one command. */
static void
send_large(struct client *c, int which)
{
	static const char *const begin[] = {
		"HSET big:h", "RPUSH big:l", "SADD big:s", "ZADD big:z",
	};
	static const char *const item[] = {
		" f%d v", " x%d", " x%d", " %d m",
	};
	struct text t = { 0 };
	char word[32];

	text_str(&t, begin[which]);
	for (int i = 0; i < FIELDS; i++) {
		snprintf(word, sizeof(word), item[which], i);
		text_str(&t, word);
		if (which == 3)
			text_str(&t, word + 1 + strcspn(word + 1, " "));
	}
	text_str(&t, "\r\n");
	client_send(c, t.p, t.len);
	free(t.p);
}

/* A client's life; its exit status. */
static int
live(int port, uint64_t seed, int count)
{
	struct client c = client_open(port);

	while (count > 0) {
		int n = 1 + (int)(test_random(&seed) % 20);

		for (int i = 0; i < n; i++) {
			uint64_t r = test_random(&seed) % 10;
			char *line;

			if (r == 0) {
				send_large(&c, (int)(test_random(&seed) % 4));
			} else if (r < 5) {
				client_command(&c, long_forms[
				    test_random(&seed) % NLONG]);
			} else {
				const char *form = forms[
				    test_random(&seed) % NFORMS];

				line = fill(form + (*form == '~' ||
				    *form == '%'), &seed);
				client_command(&c, line);
				free(line);
			}
		}
		for (int i = 0; i < n; i++) {
			char *got = client_reply(&c, 0);

			if (got == NULL || got[0] == '?')
				return 1;
			free(got);
		}
		count -= n;
	}
	return 0;
}

static void
memory_comes_back(int port)
{
	struct client c = client_open(port);
	long used = -1;

	expect(&c, "FLUSHALL", "+OK");
	for (int i = 0; i < 2000; i++) {
		char *got = client_ask(&c, "INFO memory");
		char *p = got != NULL ? strstr(got, "used_memory:") : NULL;

		used = p != NULL ? atol(p + 12) : -1;
		free(got);
		if (used >= 0 && used < 1 << 20)
			break;
		usleep(10000);
	}
	ok(used >= 0 && used < 1 << 20, "memory in the end: %ld", used);
	expect(&c, "SET a 1", "+OK");
	expect(&c, "KEYS *", "[\"a\"]");
	client_close(&c);
}

int
main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 2000, good = 0, status;
	uint64_t seed = test_seed();
	struct server s = server_start((const char *const[]){ "--cpus", "3",
	    NULL });
	pid_t pids[CLIENTS];

	watchdog(280);
	for (int i = 0; i < CLIENTS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(live(s.port, seed + (uint64_t)i * 2, count));
	}
	for (int i = 0; i < CLIENTS; i++) {
		waitpid(pids[i], &status, 0);
		good += status == 0;
	}
	is_int(good, CLIENTS, "%d clients, %d commands each", CLIENTS, count);
	memory_comes_back(s.port);
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
	return tap_done();
}
