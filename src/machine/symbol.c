/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Find the function at an address, also in a process that has failed.
 *
 * THEORY
 * The modules of the process and their addresses are listed at boot, because
 * asking the loader takes its lock.  To name an address, the file of its module
 * is mapped, and its symbol table (the full one, else the dynamic one) is
 * searched linearly.  Only open, close, fstat, mmap and munmap are called, so a
 * signal handler may do this; libunwind and dladdr would allocate or lock.
 * Every offset in the file is checked against its size, because the file may
 * have been replaced.
 *
 * A module that is loaded after boot is not found, nor are more than MODULES
 * modules; their addresses have no names.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "machine/hostlib.h"
#include "machine/symbol.h"

#define MODULES		64		/* most modules that are listed */
#define PATH_BYTES	256

struct module {
	uintptr_t	m_base;		/* what its addresses are relative to */
	uintptr_t	m_lo;		/* its segments are in [m_lo, m_hi) */
	uintptr_t	m_hi;
	char		m_path[PATH_BYTES];
};

/* A file in memory. */
struct image {
	const char	*i_data;
	size_t		 i_size;
};

static struct module modules[MODULES];	/* (i) */
static int nmodules;			/* (i) */

static int
module_add(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct module *m = &modules[nmodules];
	uintptr_t lo, hi;
	ssize_t n;

	(void)size, (void)arg;
	if (nmodules == MODULES)
		return 1;
	memset(m, 0, sizeof(*m));
	if (info->dlpi_name != NULL && info->dlpi_name[0] != '\0')
		strncat(m->m_path, info->dlpi_name, PATH_BYTES - 1);
	else if (nmodules == 0) {
		n = readlink("/proc/self/exe", m->m_path, PATH_BYTES - 1);
		if (n < 0)
			m->m_path[0] = '\0';
	}
	m->m_base = info->dlpi_addr;
	m->m_lo = UINTPTR_MAX;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		lo = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		hi = lo + info->dlpi_phdr[i].p_memsz;
		m->m_lo = lo < m->m_lo ? lo : m->m_lo;
		m->m_hi = hi > m->m_hi ? hi : m->m_hi;
	}
	nmodules++;
	return 0;
}

void
lwkt__symbol_boot(void)
{
	nmodules = 0;
	(void)dl_iterate_phdr(module_add, NULL);
}

static const struct module *
module_find(uintptr_t pc)
{
	for (const struct module *m = modules; m < modules + nmodules; m++) {
		if (pc >= m->m_lo && pc < m->m_hi)
			return m;
	}
	return NULL;
}

/* Return n items of a size at an offset, or NULL if the file is shorter. */
static const void *
image_at(const struct image *im, uint64_t off, uint64_t n, size_t size)
{
	if (off > im->i_size || n > (im->i_size - off) / size)
		return NULL;
	return im->i_data + off;
}

static int
image_open(struct image *im, const char *path)
{
	struct stat st;
	void *p = MAP_FAILED;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && st.st_size > 0)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd,
		    0);
	(void)close(fd);
	if (p == MAP_FAILED)
		return 0;
	im->i_data = p;
	im->i_size = (size_t)st.st_size;
	return 1;
}

/*
 * Return the section headers and store their number in *n.  Returns NULL if the
 * file is not 64-bit ELF or is too short for them.
 */
static const Elf64_Shdr *
image_sections(const struct image *im, unsigned *n)
{
	const Elf64_Ehdr *eh = image_at(im, 0, 1, sizeof(*eh));

	if (eh == NULL || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_shentsize != sizeof(Elf64_Shdr))
		return NULL;
	*n = eh->e_shnum;
	return image_at(im, eh->e_shoff, *n, sizeof(Elf64_Shdr));
}

/*
 * Search the symbol table tab, whose names are in str, for the function that
 * contains the module's address `at`.  Returns 1 and stores its name and the
 * offset in sym, or returns 0.
 */
static int
table_search(const struct image *im, const Elf64_Shdr *tab,
    const Elf64_Shdr *str, uintptr_t at, struct symbol *sym)
{
	size_t n = tab->sh_size / sizeof(Elf64_Sym);
	const Elf64_Sym *s = image_at(im, tab->sh_offset, n, sizeof(*s));
	const char *names = image_at(im, str->sh_offset, str->sh_size, 1);
	size_t room;

	if (s == NULL || names == NULL)
		return 0;
	for (; n > 0; n--, s++) {
		if (ELF64_ST_TYPE(s->st_info) != STT_FUNC ||
		    at - s->st_value >= s->st_size ||
		    s->st_name >= str->sh_size)
			continue;
		room = str->sh_size - s->st_name;
		if (room > sizeof(sym->sy_name) - 1)
			room = sizeof(sym->sy_name) - 1;
		sym->sy_name[0] = '\0';
		strncat(sym->sy_name, names + s->st_name, room);
		sym->sy_off = at - s->st_value;
		return 1;
	}
	return 0;
}

static void
image_search(const struct image *im, uintptr_t at, struct symbol *sym)
{
	static const uint32_t kinds[] = { SHT_SYMTAB, SHT_DYNSYM };
	const Elf64_Shdr *sh;
	unsigned n;

	sh = image_sections(im, &n);
	if (sh == NULL)
		return;
	for (size_t k = 0; k < nitems(kinds); k++) {
		for (unsigned i = 0; i < n; i++) {
			if (sh[i].sh_type == kinds[k] && sh[i].sh_link < n &&
			    table_search(im, &sh[i], &sh[sh[i].sh_link], at,
			    sym))
				return;
		}
	}
}

int
lwkt__symbol_find(uintptr_t pc, struct symbol *sym)
{
	const struct module *m = module_find(pc);
	const char *slash;
	struct image im;

	memset(sym, 0, sizeof(*sym));
	if (m == NULL)
		return 0;
	slash = strrchr(m->m_path, '/');
	sym->sy_module = slash != NULL ? slash + 1 : m->m_path;
	sym->sy_modoff = pc - m->m_base;
	if (image_open(&im, m->m_path)) {
		image_search(&im, sym->sy_modoff, sym);
		(void)munmap((void *)(uintptr_t)im.i_data, im.i_size);
	}
	return 1;
}
