/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers in place of addresses, where an address decides what happens.
 *
 * THEORY
 * The address at which a program is loaded differs from process to process and
 * from compiler to compiler.  A hash table keyed by addresses would have other
 * collisions each time, and so other steps.  Therefore a key stands for each
 * address: its number in the order in which the run first asked for addresses.
 * Each boot is a new generation, which makes the older keys invalid.
 */
#include "base/kassert.h"
#include "machine/sim/sim_var.h"

#define SLOTS		65536		/* power of two */
#define KEYS_MAX	(SLOTS / 4 * 3)

static struct {
	uintptr_t	k_addr;
	uint32_t	k_generation;
	uint32_t	k_key;
} keys[SLOTS];
static uint32_t generation, nkeys;

void
sim_key_reset(void)
{
	generation++;
	nkeys = 0;
}

/* Return the key of an address; give it the next one at its first use. */
uintptr_t
machine_key(const volatile void *p)
{
	uintptr_t addr = (uintptr_t)p;
	uint64_t i = mix64(addr);

	sim_enter();
	while (keys[i % SLOTS].k_generation == generation &&
	    keys[i % SLOTS].k_addr != addr)
		i++;
	i %= SLOTS;
	if (keys[i].k_generation != generation) {
		KASSERTF(nkeys < KEYS_MAX, "more than %u addresses get a key "
		    "in one run", nkeys);
		keys[i].k_addr = addr;
		keys[i].k_generation = generation;
		keys[i].k_key = ++nkeys;
	}
	addr = keys[i].k_key;
	sim_leave();
	return addr;
}
