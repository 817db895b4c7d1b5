/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients that leave in the middle of a command of any kind, in any way: the
 * server goes on, no key stays blocked, no connection and no memory is lost.
 * And replies without end: they stop, at a limit or when nobody is there.
 */
#include "client.h"

#define MANY	20000	/* elements of each large value */

static int port;

/* Add the words of a line as arguments; how many. */
static int
add_words(struct text *t, const char *line)
{
	char head[32];
	int n = 0;

	for (; *(line += strspn(line, " ")) != '\0'; n++) {
		size_t len = strcspn(line, " ");

		snprintf(head, sizeof(head), "$%zu\r\n", len);
		text_str(t, head);
		text_add(t, line, len);
		text_str(t, "\r\n");
		line += len;
	}
	return n;
}

/* A command with many arguments: some words, and item 0 to n - 1. */
static void
send_many(struct client *c, const char *words, const char *item, int n)
{
	struct text t = { 0 };
	char word[64];
	int argc = add_words(&t, words);

	for (int i = 0; i < n; i++) {
		snprintf(word, sizeof(word), item, i, i);
		argc += add_words(&t, word);
	}
	snprintf(word, sizeof(word), "*%d\r\n", argc);
	client_str(c, word);
	client_send(c, t.p, t.len);
	free(t.p);
}

static void
fill(struct client *c)
{
	send_many(c, "SADD s", " %d", MANY);
	send_many(c, "RPUSH l", " %d", MANY);
	send_many(c, "HSET h", " %d value", MANY);
	send_many(c, "ZADD z", " %d %d", MANY);
	for (int i = 0; i < 4; i++)
		free(client_reply(c, 0));
}

/* Begin command number i of those that take more than a turn. */
static void
begin(struct client *c, unsigned int i)
{
	static const char *const lines[] = {
		"SMEMBERS s", "LRANGE l 0 -1", "HGETALL h", "HKEYS h",
		"ZRANGE z 0 -1 WITHSCORES", "ZRANGE z -inf inf BYSCORE",
		"LREM l 0 nosuch", "KEYS *", "SRANDMEMBER s -100000000",
		"SRANDMEMBER s 15000", "RENAME l l2", "RENAME l2 l",
		"LTRIM l 0 19000", "SPOP s 1000", "LPOP l 500", "ZPOPMIN z 500",
		"SCAN 0 COUNT 100000", "FLUSHALL", "DEL s l h z",
	};
	static const struct {
		const char *words, *item;
	} many[] = {
		{ "SADD s", " %d" }, { "HSET h", " %d x" },
		{ "RPUSH l", " %d" },
		{ "ZADD z NX", " %d %d" }, { "MSET", " m%d v" },
		{ "DEL", " m%d" }, { "MGET", " m%d" }, { "EXISTS", " m%d" },
		{ "HMGET h", " %d" }, { "ZREM z", " %d" }, { "SREM s", " %d" },
		{ "COMMAND INFO", " get" }, { "CONFIG GET", " x%d" },
	};
	const unsigned int nlines = sizeof(lines) / sizeof(lines[0]);
	const unsigned int nmany = sizeof(many) / sizeof(many[0]);

	i %= nlines + nmany + 1;
	if (i < nlines)
		client_command(c, lines[i]);
	else if (i < nlines + nmany)
		send_many(c, many[i - nlines].words, many[i - nlines].item,
		    MANY);
	else	/* a large request that never ends */
		client_str(c, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9000000\r\nabc");
}

/* Leave in one of four ways. */
static void
leave(struct client *c, struct client *other, long id, unsigned int how)
{
	const struct linger now = { .l_onoff = 1 };
	char line[64];

	switch (how % 4) {
	case 0:
		snprintf(line, sizeof(line), "CLIENT KILL ID %ld", id);
		free(client_ask(other, line));
		break;
	case 1:		/* by a reset */
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		break;
	case 2:
		shutdown(c->fd, SHUT_WR);
		break;
	}
	client_close(c);
}

/* Whatever somebody left behind, each value can be read and changed. */
static int
blocked_keys(struct client *c)
{
	static const char *const lines[] = {
		"SADD s z", "SREM s z", "RPUSH l z", "RPOP l", "HSET h z 1",
		"HDEL h z", "ZADD z 1 z", "ZREM z z", "DBSIZE", "EXISTS l2",
	};
	int bad = 0;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *got = client_ask(c, lines[i]);

		bad += got == NULL || got[0] == '-';
		free(got);
	}
	return bad;
}

static long
connections(struct client *c)
{
	char *got = client_ask(c, "INFO clients");
	char *p = got != NULL ? strstr(got, "connected_clients:") : NULL;
	long n = p != NULL ? atol(p + 18) : -1;

	free(got);
	return n;
}

static void
clients_leave(uint64_t *seed)
{
	struct client c = client_open(port), v;
	int bad = 0, rounds = 160;
	long before = used_memory(&c), used = 0, n = 0;

	fill(&c);
	for (int i = 0; i < rounds; i++) {
		long id;

		v = client_open(port);
		id = client_number(&v, "CLIENT ID");
		begin(&v, (unsigned int)i);
		if (test_random(seed) % 2)
			usleep((unsigned int)(test_random(seed) % 3000));
		leave(&v, &c, id, (unsigned int)test_random(seed));
		bad += blocked_keys(&c);
		if (i % 33 == 32)
			fill(&c);
	}
	is_int(bad, 0, "%d clients left in the middle: no key is blocked",
	    rounds);
	for (int i = 0; i < 1000 && (n = connections(&c)) != 1; i++)
		usleep(10000);
	is_int(n, 1, "their connections are gone");
	expect(&c, "FLUSHALL", "+OK");
	for (int i = 0; i < 1000; i++) {
		used = used_memory(&c);
		if (used < before + 100000)
			break;
		usleep(10000);
	}
	ok(used < before + 100000, "their memory came back: %ld, %ld before",
	    used, before);
	client_close(&c);
}

/* Replies that are endless for all purposes; the largest memory seen. */
static long
most_memory(const char *line, bool wait)
{
	struct client c = client_open(port), d = client_open(port);
	long most = 0, used;
	char *got;

	client_command(&c, line);
	if (!wait)
		client_close(&c);
	for (int i = 0; i < 3000; i++) {
		used = used_memory(&d);
		most = used > most ? used : most;
		if (connections(&d) == 1)
			break;
		usleep(1000);
	}
	is_int(connections(&d), 1, "%s: the client that %s is disconnected",
	    line, wait ? "stays" : "left");
	if (wait) {
		got = client_reply(&c, 0);
		ok(got == NULL, "it got no reply");
		free(got);
	}
	client_close(&c);
	expect(&d, "SADD big again", ":1");
	expect(&d, "SREM big again", ":1");
	client_close(&d);
	return most;
}

static void
endless_replies_end(struct server *s)
{
	static const char line[] = "SRANDMEMBER big -9223372036854775807";
	struct client c = client_open(port);
	struct text t = { 0 };
	char *member;
	long most;

	member = malloc(30001);
	memset(member, 'x', 30000);
	member[30000] = '\0';
	client_argv(&c, 3, (const char *const[]){ "SADD", "big", member },
	    NULL);
	free(client_reply(&c, 0));
	client_close(&c);
	most = most_memory(line, false);
	ok(most < 64 << 20, "memory at most %ld: the client has left", most);

	c = client_open(port);
	expect(&c, "CONFIG SET client-reply-limit 20mb", "+OK");
	client_close(&c);
	most = most_memory(line, true);
	ok(most < 64 << 20, "memory at most %ld: a limit of 20 MB", most);
	ok(server_logged(s, "a reply of more than"), "which the log says");

	/* A pipeline of them has no more than one. */
	for (int i = 0; i < 100; i++) {
		text_str(&t, line);
		text_str(&t, "\r\n");
	}
	c = client_open(port);
	client_send(&c, t.p, t.len);
	free(t.p);
	ok(client_line(&c) == NULL, "a pipeline of them ends, too");
	client_close(&c);

	c = client_open(port);
	expect(&c, "CONFIG SET client-reply-limit 1gb maxmemory 30mb", "+OK");
	client_close(&c);
	most = most_memory(line, true);
	ok(most < 64 << 20, "memory at most %ld: maxmemory of 30 MB", most);
	c = client_open(port);
	send_many(&c, "MGET", " nosuch", MANY);
	free(client_reply(&c, 0));
	expect(&c, "PING", "+PONG");
	client_close(&c);
	free(member);
}

/* Who only says that there is no more to come gets the reply. */
static void
answers_half_closed_clients(void)
{
	struct client c = client_open(port), d = client_open(port);
	char *got;

	fill(&d);
	client_str(&c, "HGETALL h\r\nPING\r\n");
	shutdown(c.fd, SHUT_WR);
	got = client_reply(&c, 0);
	ok(got != NULL && strlen(got) > MANY * 10, "HGETALL of %d fields is "
	    "answered though the client says no more", MANY);
	free(got);
	got = client_reply(&c, 0);
	is_str(got, "+PONG", "and what follows it");
	free(got);
	client_close(&c);
	client_close(&d);
}

int
main(void)
{
	uint64_t seed = test_seed();
	struct server s = server_start((const char *const[]){ "--cpus", "2",
	    NULL });

	watchdog(150);
	port = s.port;
	clients_leave(&seed);
	endless_replies_end(&s);
	answers_half_closed_clients();
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
	return tap_done();
}
