/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Find a symbol of one loaded object by name.
 *
 * THEORY
 * dlsym() searches a scope; this file searches one object.  The result may be
 * an undefined symbol with a value.  Reason: a program that is not position
 * independent and takes the address of a function has a stub for it, and this
 * stub is the function's address in the whole process.
 *
 * In an object without DT_GNU_HASH no symbol is found; linkers have written
 * that table since 2006.
 *
 * Source: the System V ABI; Ulrich Drepper, How To Write Shared Libraries.
 */
#include "machine/elfsym.h"

#include <string.h>

/* An object's dynamic section, as far as a look-up by name needs it. */
struct dynamic {
	const uint32_t	*d_hash;	/* DT_GNU_HASH */
	const ElfW(Sym)	*d_sym;
	const char	*d_str;
};

/*
 * Return the address that an entry of the dynamic section contains.  The loader
 * has relocated it in place, except in the vDSO, where it is still relative.
 */
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
 * Find a symbol by DT_GNU_HASH, or return NULL.  That table has a head of four
 * words, a filter, the buckets, and a chain word for each symbol.  The head has
 * the number of buckets, the number of the first symbol in the table, the
 * number of words of the filter, and a shift for the filter, which this
 * function does not use.  A chain word is the symbol's hash, but its lowest bit
 * is 1 at the end of a bucket, else 0.
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
		    strcmp(dy->d_str + s->st_name, name) == 0)
			return s;
	} while ((chain[i++ - first] & 1) == 0);
	return NULL;
}

const ElfW(Sym) *
lwkt__elf_find(const struct dl_phdr_info *info, const char *name)
{
	struct dynamic dy;

	return dynamic_read(&dy, info) ? symbol_find(&dy, name) : NULL;
}
