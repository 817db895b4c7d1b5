/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INFO: what the server is and what it has done, summed over the CPUs.
 */
#include "server.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int
op_stats(struct kv_db *db, struct kv_op *op)
{
	struct kv_stats *st = (struct kv_stats *)op->op_at + lwkt_cpuid();

	*st = kv_mycpu()->p_stats;
	st->st_keys = db->db_keys.d_count;
	st->st_expires = db->db_timers;
	st->st_expired = db->db_expired;
	st->st_hits = db->db_hits;
	st->st_misses = db->db_misses;
	return KV_DONE;
}

int
kv_op_stats_reset(struct kv_db *db, struct kv_op *op)
{
	(void)op;
	memset(&kv_mycpu()->p_stats, 0, sizeof(struct kv_stats));
	db->db_expired = db->db_hits = db->db_misses = 0;
	return KV_DONE;
}

/* The counters of all CPUs, summed. */
static void
sum_stats(struct kv_conn *c, struct kv_stats *sum)
{
	unsigned int n = kv_server.s_ncpus;
	struct kv_op *ops = kv_alloc(n * sizeof(*ops));
	struct kv_stats *all = kv_zalloc(n * sizeof(*all));
	const size_t words = sizeof(*sum) / sizeof(uint64_t);

	_Static_assert(sizeof(*sum) % sizeof(uint64_t) == 0, "only counters");
	kv_everywhere(c, ops, op_stats, all);
	memset(sum, 0, sizeof(*sum));
	for (unsigned int i = 0; i < n; i++) {
		for (size_t w = 0; w < words; w++)
			((uint64_t *)sum)[w] += ((uint64_t *)&all[i])[w];
	}
	kv_free(all);
	kv_free(ops);
}

/* Text at the end of a buffer. */
void
kv_text(struct kv_reply *t, const char *fmt, ...)
{
	char buf[640];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	kv_reply_raw(t, buf, strlen(buf));
}

static void
info_server(struct kv_reply *t, const struct kv_stats *st)
{
	int64_t up = (kv_clock_ms() - kv_server.s_since) / 1000;

	(void)st;
	kv_text(t, "redis_version:" KV_REDIS_VERSION "\r\n");
	kv_text(t, "redis_mode:standalone\r\n");
	kv_text(t, "lwkt_version:%s\r\n", lwkt_version());
	kv_text(t, "arch_bits:64\r\nprocess_id:%d\r\n", (int)getpid());
	kv_text(t, "tcp_port:%d\r\n", kv_server.s_port);
	kv_text(t, "cpus:%u\r\n", kv_server.s_ncpus);
	kv_text(t, "uptime_in_seconds:%ld\r\nuptime_in_days:%ld\r\n",
	    (long)up, (long)(up / 86400));
}

static void
info_clients(struct kv_reply *t, const struct kv_stats *st)
{
	(void)st;
	kv_text(t, "connected_clients:%lu\r\nmaxclients:%lu\r\n",
	    (unsigned long)atomic_load(&kv_server.s_conns),
	    (unsigned long)atomic_load(&kv_server.s_maxclients));
	kv_text(t, "blocked_clients:0\r\n");
}

static unsigned long
resident(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f != NULL) {
		if (fscanf(f, "%*u %lu", &pages) != 1)
			pages = 0;
		fclose(f);
	}
	return pages * (unsigned long)sysconf(_SC_PAGESIZE);
}

static void
info_memory(struct kv_reply *t, const struct kv_stats *st)
{
	size_t used = kv_mem_used();

	(void)st;
	kv_text(t, "used_memory:%zu\r\nused_memory_human:%.2fM\r\n", used,
	    (double)used / (1 << 20));
	kv_text(t, "used_memory_rss:%lu\r\n", resident());
	kv_text(t, "maxmemory:%lu\r\nmaxmemory_policy:noeviction\r\n",
	    (unsigned long)atomic_load(&kv_server.s_maxmemory));
}

static void
info_stats(struct kv_reply *t, const struct kv_stats *st)
{
	kv_text(t, "total_connections_received:%lu\r\n",
	    (unsigned long)st->st_accepted);
	kv_text(t, "total_commands_processed:%lu\r\n",
	    (unsigned long)st->st_commands);
	kv_text(t, "total_net_input_bytes:%lu\r\n",
	    (unsigned long)st->st_bytes_in);
	kv_text(t, "total_net_output_bytes:%lu\r\n",
	    (unsigned long)st->st_bytes_out);
	kv_text(t, "rejected_connections:%lu\r\n",
	    (unsigned long)atomic_load(&kv_server.s_rejected));
	kv_text(t, "expired_keys:%lu\r\nevicted_keys:0\r\n",
	    (unsigned long)st->st_expired);
	kv_text(t, "keyspace_hits:%lu\r\nkeyspace_misses:%lu\r\n",
	    (unsigned long)st->st_hits, (unsigned long)st->st_misses);
}

static void
info_replication(struct kv_reply *t, const struct kv_stats *st)
{
	(void)st;
	kv_text(t, "role:master\r\nconnected_slaves:0\r\n");
}

static void
info_cpu(struct kv_reply *t, const struct kv_stats *st)
{
	struct rusage ru;

	(void)st;
	getrusage(RUSAGE_SELF, &ru);
	kv_text(t, "used_cpu_sys:%ld.%06ld\r\nused_cpu_user:%ld.%06ld\r\n",
	    (long)ru.ru_stime.tv_sec, (long)ru.ru_stime.tv_usec,
	    (long)ru.ru_utime.tv_sec, (long)ru.ru_utime.tv_usec);
}

static void
info_commandstats(struct kv_reply *t, const struct kv_stats *st)
{
	for (unsigned int i = 0; i < kv_ncommands; i++) {
		if (st->st_calls[i] != 0)
			kv_text(t, "cmdstat_%s:calls=%lu\r\n",
			    kv_commands[i].c_name,
			    (unsigned long)st->st_calls[i]);
	}
}

static void
info_keyspace(struct kv_reply *t, const struct kv_stats *st)
{
	if (st->st_keys != 0)
		kv_text(t, "db0:keys=%lu,expires=%lu,avg_ttl=0\r\n",
		    (unsigned long)st->st_keys,
		    (unsigned long)st->st_expires);
}

static const struct {
	const char	*name, *title;
	void		(*fn)(struct kv_reply *, const struct kv_stats *);
	bool		 usual;
} sections[] = {
	{ "server", "Server", info_server, true },
	{ "clients", "Clients", info_clients, true },
	{ "memory", "Memory", info_memory, true },
	{ "stats", "Stats", info_stats, true },
	{ "replication", "Replication", info_replication, true },
	{ "cpu", "CPU", info_cpu, true },
	{ "commandstats", "Commandstats", info_commandstats, false },
	{ "keyspace", "Keyspace", info_keyspace, true },
};

static bool
wanted(size_t i, struct kv_arg *argv, int argc)
{
	if (argc == 1)
		return sections[i].usual;
	for (int a = 1; a < argc; a++) {
		if (kv_arg_is(&argv[a], sections[i].name) ||
		    kv_arg_is(&argv[a], "all") ||
		    kv_arg_is(&argv[a], "everything") ||
		    (sections[i].usual && kv_arg_is(&argv[a], "default")))
			return true;
	}
	return false;
}

void
kv_cmd_info(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	struct kv_reply text = { 0 };
	struct kv_stats st;

	sum_stats(c, &st);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		if (!wanted(i, argv, argc))
			continue;
		kv_text(&text, "%s# %s\r\n", text.r_len > 0 ? "\r\n" : "",
		    sections[i].title);
		sections[i].fn(&text, &st);
	}
	kv_reply_verbatim(&c->c_out, text.r_buf, text.r_len);
	kv_reply_free(&text);
}
