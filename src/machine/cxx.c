/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the C++ runtime keeps the exceptions of the calling host thread.
 *
 * THEORY
 * The C++ ABI gives each host thread a stack of caught exceptions and a count
 * of those in flight.  __cxa_get_globals() returns their address; libstdc++ and
 * libc++abi agree about the layout.  The kernel makes them a thread's own: it
 * saves them at a switch (kern/lwkt_switch.c).  Compiled code calls the runtime
 * for each access, so no function of a program keeps the address.
 *
 * This library does not depend on a C++ runtime, so the function is a weak
 * symbol.  It stays undefined when the runtime came by dlopen(), perhaps for a
 * plugin alone (RTLD_LOCAL); then it is looked up by name in each loaded
 * object.  dlsym() would not find such an object and does not belong into
 * static programs.  The look-up is done once a boot: a runtime loaded later is
 * not noticed, because a switch has no time to look for one.
 *
 * Source: the Itanium C++ ABI, Exception Handling, 2.2.2.
 */
#include <elf.h>
#include <link.h>
#include <string.h>

#include "base/compiler.h"
#include "machine/hostlib.h"
#include "machine/machine.h"

#define NAME	"__cxa_get_globals"

typedef struct machine_cxx *(*cxx_get_t)(void);

struct machine_cxx *__cxa_get_globals(void) __attribute__((weak));

static cxx_get_t cxx_get;		/* (i) NULL: there is no C++ here */

/* An object's dynamic section, as far as a look-up by name needs it. */
struct dynamic {
	const uint32_t	*d_hash;	/* DT_GNU_HASH */
	const ElfW(Sym)	*d_sym;
	const char	*d_str;
};

/* The loader relocates these addresses in place, except in the vdso. */
static const void *
dynamic_ptr(const struct dl_phdr_info *info, const ElfW(Dyn) *d)
{
	return (const void *)(d->d_un.d_ptr < info->dlpi_addr ?
	    d->d_un.d_ptr + info->dlpi_addr : d->d_un.d_ptr);
}

static int
dynamic_read(struct dynamic *dy, const struct dl_phdr_info *info)
{
	const ElfW(Dyn) *d = NULL;

	memset(dy, 0, sizeof(*dy));
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			d = (const void *)(info->dlpi_addr +
			    info->dlpi_phdr[i].p_vaddr);
	for (; d != NULL && d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_GNU_HASH)
			dy->d_hash = dynamic_ptr(info, d);
		else if (d->d_tag == DT_SYMTAB)
			dy->d_sym = dynamic_ptr(info, d);
		else if (d->d_tag == DT_STRTAB)
			dy->d_str = dynamic_ptr(info, d);
	}
	return dy->d_hash != NULL && dy->d_sym != NULL && dy->d_str != NULL;
}

static uint32_t
gnu_hash(const char *name)
{
	uint32_t h = 5381;

	for (; *name != '\0'; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

/*
 * DT_GNU_HASH: the numbers of buckets, of the first symbol in the table, and of
 * the words of a filter; the filter; the buckets; a chain word for each symbol,
 * which is the symbol's hash with the lowest bit set at the end of a bucket.
 */
static const ElfW(Sym) *
symbol_find(const struct dynamic *dy, const char *name)
{
	uint32_t nbuckets = dy->d_hash[0], first = dy->d_hash[1];
	const uint32_t *buckets = dy->d_hash + 4 +
	    dy->d_hash[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	const uint32_t *chain = buckets + nbuckets;
	uint32_t h = gnu_hash(name), i;
	const ElfW(Sym) *s;

	if (nbuckets == 0 || (i = buckets[h % nbuckets]) < first)
		return NULL;
	do {
		s = &dy->d_sym[i];
		if (((chain[i - first] ^ h) & ~1u) == 0 &&
		    s->st_shndx != SHN_UNDEF &&
		    strcmp(dy->d_str + s->st_name, name) == 0)
			return s;
	} while ((chain[i++ - first] & 1) == 0);
	return NULL;
}

static int
object_look(struct dl_phdr_info *info, size_t size, void *arg)
{
	const ElfW(Sym) *s;
	struct dynamic dy;

	(void)size;
	if (!dynamic_read(&dy, info) || (s = symbol_find(&dy, NAME)) == NULL)
		return 0;
	*(cxx_get_t *)arg = (cxx_get_t)(info->dlpi_addr + s->st_value);
	return 1;
}

void
lwkt__cxx_boot(void)
{
	cxx_get = __cxa_get_globals;
	if (cxx_get == NULL)
		(void)dl_iterate_phdr(object_look, &cxx_get);
}

struct machine_cxx *
lwkt__cxx_globals(void)
{
	return cxx_get != NULL ? cxx_get() : NULL;
}
