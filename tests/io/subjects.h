/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors of all kinds, made afresh for each call under test.
 */
#ifndef LWKT_TESTS_SUBJECTS_H
#define LWKT_TESTS_SUBJECTS_H

#define LIMIT		65536		/* of a file's size in this process */

/* A descriptor under test, and the other end of it, or -1. */
struct subject {
	int	fd;
	int	peer;
};

struct subject_kind {
	const char	*name;
	void		(*make)(struct subject *);	/* no change: none */
};

extern const struct subject_kind subject_kinds[];
extern const int subject_nkinds;

/* Before the boot: a directory, limits, a file system that is soon full. */
void	subject_prepare(void);
void	subject_clean(void);
/* A path in that directory, valid to the next call. */
const char *subject_path(const char *name);
/* r, unless it is negative: then the test ends. */
int	must(int r, const char *what);

#endif
