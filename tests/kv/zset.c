/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sorted sets against a sorted array.
 */
#include "client.h"
#include "cmd/value.h"
#include "shard/ztree.h"

#define NAMES	300

struct want {
	char	name[8];
	double	score;
};

static struct want want[NAMES];
static int nwant;

static int
compare(const struct want *a, const struct want *b)
{
	if (a->score != b->score)
		return a->score < b->score ? -1 : 1;
	return strcmp(a->name, b->name);
}

static void
want_remove(const char *name)
{
	for (int i = 0; i < nwant; i++) {
		if (strcmp(want[i].name, name) == 0) {
			memmove(&want[i], &want[i + 1],
			    (size_t)(nwant - i - 1) * sizeof(want[0]));
			nwant--;
			return;
		}
	}
}

static void
want_put(const char *name, double score)
{
	struct want w = { .score = score };
	int i = 0;

	memcpy(w.name, name, sizeof(w.name));
	want_remove(name);
	while (i < nwant && compare(&want[i], &w) < 0)
		i++;
	memmove(&want[i + 1], &want[i],
	    (size_t)(nwant - i) * sizeof(want[0]));
	want[i] = w;
	nwant++;
}

static bool
below(const struct kv_member *m, const void *arg)
{
	return m->m_score < *(const double *)arg;
}

static struct kv_member *
find(struct kv_obj *z, const char *name)
{
	return (struct kv_member *)kv_elem_find(z, &(struct kv_arg){
	    .a_p = (char *)(uintptr_t)name, .a_len = strlen(name) });
}

static void
take_out(struct kv_obj *z, struct kv_member *m)
{
	kv_zset_unlink(z, m);
	kv_dict_remove(&z->o_dict, &m->m_node);
	kv_free(m);
}

/* How much of the set is not as wanted. */
static int
differences(struct kv_obj *z)
{
	int wrong = 0;

	wrong += z->o_dict.d_count != nwant;
	for (int i = 0; i < nwant; i++) {
		struct kv_member *m = kv_zset_at(z, (uint64_t)i);
		int before = 0;

		if (m == NULL)
			return nwant;
		wrong += m->m_node.n_klen != strlen(want[i].name) ||
		    memcmp(m->m_name, want[i].name, m->m_node.n_klen) != 0;
		wrong += m->m_score != want[i].score;
		wrong += find(z, want[i].name) != m;
		wrong += kv_zset_rank(m) != (uint64_t)i;
		while (before < nwant && want[before].score < want[i].score)
			before++;
		wrong += kv_zset_before(z, below, &want[i].score) !=
		    (uint64_t)before;
	}
	wrong += kv_zset_at(z, (uint64_t)nwant) != NULL;
	return wrong;
}

int
main(void)
{
	struct kv_obj *z = kv_obj_new(KV_ZSET);
	uint64_t seed = test_seed();
	int wrong = 0;

	watchdog(120);
	kv_hash_seed();
	for (int i = 0; i < 40000; i++) {
		double score = (double)(test_random(&seed) % 40);
		struct kv_member *m;
		char name[8] = "";
		struct kv_arg arg = { .a_p = name };

		snprintf(name, sizeof(name), "m%d",
		    (int)(test_random(&seed) % NAMES));
		arg.a_len = strlen(name);
		m = find(z, name);
		if (test_random(&seed) % 100 < (i / 4000 % 2 ? 80 : 20)) {
			if (m != NULL)
				take_out(z, m);
			want_remove(name);
		} else {
			if (m != NULL)
				kv_zset_rescore(z, m, score);
			else
				kv_zset_add(z, kv_hash(arg.a_p,
				    arg.a_len), &arg, score);
			want_put(name, score);
		}
		if (i % 100 == 0)
			wrong += differences(z);
	}
	is_int(wrong, 0, "40000 changes: order, ranks and counts agree");
	while (nwant > 0) {
		struct kv_member *m = kv_zset_at(z, (uint64_t)nwant / 2);

		want_remove(want[nwant / 2].name);
		take_out(z, m);
	}
	is_int(differences(z), 0, "emptied from the middle");
	kv_dict_drain(&z->o_dict, 1, NULL, NULL);
	kv_free(z);
	return tap_done();
}
