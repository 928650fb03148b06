/*
 * module-closures.c - for the tests: what each module of a kernel needs, in load order, and its
 * firmware
 *
 *   module-closures KERNEL
 *
 * Prints "closure NAME FILE..." and "firmware NAME FILE..." for every module, sorted by name.
 */
#include <stdio.h>

#include "image/modules.h"

static int print_one(void *user, const struct module *mod)
{
	_cleanup_module_list_ struct module_list list = { 0 };
	const struct module_info *info;
	struct modules *m = user;
	int r = modules_closure(m, mod->name, &list);

	if (r == 0)
		r = modules_info(m, mod, &info);
	if (r < 0)
		return r;
	printf("closure %s", mod->name);
	for (size_t i = 0; i < list.n; i++)
		printf(" %s", list.items[i]->name);
	printf("\nfirmware %s", mod->name);
	for (const char **f = info->firmware; f && *f; f++)
		printf(" %s", *f);
	printf("\n");
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_modules_ struct modules *m = NULL;
	int r = modules_open(argc > 1 ? argv[1] : NULL, &m);

	if (r == 0)
		r = modules_each(m, print_one, m);
	return r < 0;
}
