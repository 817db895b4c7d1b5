/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debian's own tools: redis-cli, and the whole default run of redis-benchmark.
 */
#include "client.h"

/* The output of a shell command, to be freed; its status in *statusp. */
static char *
shell(int port, const char *form, int *statusp)
{
	struct text t = { 0 };
	char line[512], buf[4096];
	size_t n;
	FILE *f;

	snprintf(line, sizeof(line), form, port);
	text_str(&t, "");
	f = popen(line, "r");
	while (f != NULL && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		text_add(&t, buf, n);
	*statusp = f != NULL ? pclose(f) : -1;
	return t.p;
}

static void
says(int port, const char *form, const char *want)
{
	int status;
	char *got = shell(port, form, &status);

	ok(status == 0 && strstr(got, want) != NULL, "%s", form);
	if (strstr(got, want) == NULL)
		diag("got %s", got);
	free(got);
}

static void
benchmark(int port)
{
	static const char *const names[] = {
		"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH",
		"RPUSH", "LPOP", "RPOP", "SADD", "HSET", "SPOP", "ZADD",
		"ZPOPMIN", "LRANGE_100", "LRANGE_300", "LRANGE_500",
		"LRANGE_600", "MSET (10 keys)",
	};
	int status;
	char *got = shell(port, "redis-benchmark -p %d -n 2000 -r 1000 -q "
	    "2>&1", &status);

	is_int(status, 0, "redis-benchmark ends well");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ok(strstr(got, names[i]) != NULL, "it ran %s", names[i]);
	ok(strstr(got, "rror") == NULL, "without an error");
	free(got);
	got = shell(port, "redis-benchmark -p %d -n 20000 -r 1000 -P 16 -q "
	    "-t set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd 2>&1",
	    &status);
	ok(status == 0 && strstr(got, "rror") == NULL, "pipelined too");
	free(got);
}

int
main(void)
{
	struct server s;

	watchdog(110);
	if (!have_program("redis-cli") || !have_program("redis-benchmark"))
		skip_all("there is no redis-cli or redis-benchmark");
	s = server_start((const char *const[]){ "--cpus", "2", NULL });
	says(s.port, "redis-cli -p %d ping", "PONG");
	says(s.port, "redis-cli -p %d set a 'b c'", "OK");
	says(s.port, "redis-cli -3 -p %d hset h f v", "1");
	says(s.port, "redis-cli -3 -p %d hgetall h", "f v");
	says(s.port, "redis-cli -p %d --scan", "a");
	says(s.port, "redis-cli -p %d info server", "redis_version");
	says(s.port, "printf 'set x 1\\nget x\\n' | redis-cli -p %d", "1");
	says(s.port, "redis-cli -p %d --bigkeys -i 0", "Sampled 3 keys");
	benchmark(s.port);
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
	return tap_done();
}
