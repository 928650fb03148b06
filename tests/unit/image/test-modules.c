/*
 * test-modules.c - closures, driver sets and the index of modules, over a kernel that the test
 * makes
 *
 * The modules are the smallest ELF files that libkmod reads: a header, .modinfo and the section
 * names.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "image/modindex.h"

#include "../scratch.h"

static char said[4096];
static char dir[SCRATCH_PATH_MAX]; /* of the unpacked "package" */

static void remember(enum log_level level, const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

/* @modinfo: items that each end in '|'. */
static void make_module(const char *rel, const char *modinfo)
{
	static const char names[] = "\0.modinfo\0.shstrtab";
	_cleanup_buffer_ struct buffer b = BUFFER(65536);
	size_t n = strlen(modinfo);
	Elf64_Ehdr h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			 .e_type = ET_REL,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_shoff = sizeof(h),
			 .e_ehsize = sizeof(h),
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = 3,
			 .e_shstrndx = 2 };
	Elf64_Shdr s[3] = {
		{ 0 },
		{ .sh_name = 1,
		  .sh_type = SHT_PROGBITS,
		  .sh_offset = sizeof(h) + sizeof(s),
		  .sh_size = n },
		{ .sh_name = 10,
		  .sh_type = SHT_STRTAB,
		  .sh_offset = sizeof(h) + sizeof(s) + n,
		  .sh_size = sizeof(names) },
	};
	char path[256], *slash;

	snprintf(path, sizeof(path), "%s/lib/modules/6.1-test/%s", dir, rel);
	slash = strrchr(path, '/');
	*slash = 0;
	assert_int_equal(path_mkdirs(AT_FDCWD, path, 0755), 0);
	*slash = '/';
	assert_int_equal(buffer_append(&b, &h, sizeof(h)), 0);
	assert_int_equal(buffer_append(&b, s, sizeof(s)), 0);
	assert_int_equal(buffer_append(&b, modinfo, n), 0);
	for (size_t i = sizeof(h) + sizeof(s); i < b.len; i++)
		b.data[i] = b.data[i] == '|' ? 0 : b.data[i];
	assert_int_equal(buffer_append(&b, names, sizeof(names)), 0);
	assert_int_equal(file_write(AT_FDCWD, path, b.data, b.len, 0644), 0);
}

static int setup(void **state)
{
	char path[256];

	log_set_sink(remember);
	assert_int_equal(scratch_make(dir), 0);
	make_module("kernel/drivers/block/brd.ko", "depends=|alias=brd|");
	make_module("kernel/fs/ext4/ext4.ko",
		    "depends=jbd2,crc16|softdep=pre: crypto-crc32c|alias=fs-ext2|alias=ext2|");
	make_module("kernel/fs/jbd2/jbd2.ko", "depends=|");
	make_module("kernel/lib/crc16.ko", "depends=|");
	make_module("kernel/crypto/crc32c_generic.ko", "alias=crypto-crc32c|alias=crc32c|");
	make_module("kernel/arch/x86/crypto/crc32c-intel.ko", "alias=crypto-crc32c|");
	make_module("kernel/drivers/virtio/virtio.ko", "depends=|");
	make_module("kernel/drivers/virtio/virtio_pci.ko", "depends=virtio|alias=pci:v00001AF4d*|");
	make_module("kernel/drivers/net/virtio_net.ko",
		    "depends=virtio,built-thing|alias=virtio:d00000001v*|");
	make_module("kernel/drivers/hv/hv_vmbus.ko", "alias=acpi*:VMBUS:*|");
	make_module("kernel/drivers/net/hyperv/hv_netvsc.ko",
		    "depends=hv_vmbus|alias=vmbus:63516161*|");
	make_module("kernel/drivers/net/phy/libphy.ko", "depends=|");
	make_module("kernel/drivers/net/phy/realtek.ko", "depends=libphy|alias=mdio:0000*|");
	make_module("kernel/drivers/net/phy/marvell.ko", "depends=libphy|alias=mdio:0001*|");
	make_module("kernel/drivers/net/ethernet/realtek/r8169.ko",
		    "depends=libphy|softdep=pre: realtek no-such-one|alias=pci:v000010ECd00008168*|"
		    "firmware=rtl_nic/x.fw|");
	make_module("kernel/drivers/net/ethernet/acme/loop-a.ko",
		    "depends=|softdep=pre: loop-b|alias=pci:a|");
	make_module("kernel/drivers/net/ethernet/acme/loop-b.ko",
		    "depends=|softdep=post: loop-a|alias=pci:b|");
	make_module("kernel/drivers/net/wireless/wifi.ko", "depends=|alias=pci:w|");
	make_module("kernel/drivers/net/usb/qmi_wwan.ko", "depends=|alias=usb:m|");
	make_module("kernel/drivers/misc/broken.ko", "depends=nowhere|");
	make_module("kernel/drivers/net/ethernet/acme/twice.ko", "depends=|alias=pci:old|");
	make_module("updates/dkms/twice.ko", "depends=|alias=pci:new|");
	snprintf(path, sizeof(path), "%s/lib/modules/6.1-test/modules.builtin", dir);
	return file_write(AT_FDCWD, path, "kernel/x/built-thing.ko\n", 24, 0644);
}

static int teardown(void **state)
{
	return scratch_remove(dir);
}

static void opens_an_unpacked_package_and_its_modules_directory(void **state)
{
	_cleanup_modules_ struct modules *m = NULL, *same = NULL, *none = NULL;
	char path[256];

	assert_int_equal(modules_open(dir, &m), 0);
	assert_string_equal(modules_version(m), "6.1-test");
	assert_null(modules_vmlinuz(m));
	assert_non_null(modules_find(m, "crc32c-intel"));
	assert_string_equal(modules_find(m, "crc32c-intel")->name, "crc32c_intel");
	assert_string_equal(modules_find(m, "twice")->rel, "updates/dkms/twice.ko");
	assert_true(modules_builtin(m, "built_thing"));
	assert_false(modules_builtin(m, "virtio_net"));
	snprintf(path, sizeof(path), "%s/lib/modules/6.1-test", dir);
	assert_int_equal(modules_open(path, &same), 0);
	assert_string_equal(modules_version(same), "6.1-test");
	assert_int_equal(modules_open("/tmp", &none), -ENOENT);
	assert_int_equal(modules_open("no-such-version", &none), -ENOENT);
}

static void closures_are_in_load_order(void **state)
{
	static const struct {
		const char *name, *order;
	} cases[] = {
		{ "brd", "brd" },
		{ "virtio-net", "virtio virtio_net" },
		{ "ext4", "jbd2 crc16 crc32c_generic crc32c_intel ext4" },
		{ "r8169", "libphy realtek r8169" },
		{ "loop_a", "loop_b loop_a" },
		{ "loop_b", "loop_b loop_a" },
		{ "built-thing", "" },
	};
	_cleanup_modules_ struct modules *m = NULL;

	assert_int_equal(modules_open(dir, &m), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_module_list_ struct module_list list = { 0 };
		_cleanup_buffer_ struct buffer b = BUFFER(4096);

		assert_int_equal(modules_closure(m, cases[i].name, &list), 0);
		for (size_t k = 0; k < list.n; k++)
			assert_int_equal(
				buffer_printf(&b, "%s%s", k ? " " : "", list.items[k]->name), 0);
		assert_string_equal(buffer_str(&b), cases[i].order);
	}
}

static void missing_modules_are_named(void **state)
{
	_cleanup_module_list_ struct module_list list = { 0 };
	_cleanup_modules_ struct modules *m = NULL;

	assert_int_equal(modules_open(dir, &m), 0);
	assert_int_equal(modules_closure(m, "absent", &list), -ENOENT);
	assert_non_null(strstr(said, "no module 'absent'"));
	assert_int_equal(modules_closure(m, "broken", &list), -ENOENT);
	assert_non_null(strstr(said, "module 'broken' needs 'nowhere'"));
}

static void index_of(const char *set_name, struct buffer *to)
{
	_cleanup_driverset_ struct driverset set = { 0 };
	_cleanup_modules_ struct modules *m = NULL;

	assert_int_equal(modules_open(dir, &m), 0);
	assert_int_equal(driverset_make(m, set_name, &set), 0);
	assert_int_equal(modindex_format(m, &set, to), 0);
}

static void virtual_holds_cards_of_virtual_machines(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(65536);

	index_of("virtual", &b);
	assert_string_equal(buffer_str(&b),
			    "bpboot-modules 1\n"
			    "kernel 6.1-test\n"
			    "module brd brd\n"
			    "module ext4 jbd2 crc16 crc32c_generic crc32c_intel ext4\n"
			    "module hv_netvsc hv_vmbus hv_netvsc\n"
			    /* found by an alias of its own, else no card would ever show */
			    "module hv_vmbus hv_vmbus\n"
			    "module virtio_net virtio virtio_net\n"
			    "module virtio_pci virtio virtio_pci\n"
			    "alias acpi*:VMBUS:* hv_vmbus\n"
			    "alias fs-ext2 ext4\n"
			    "alias pci:v00001AF4d* virtio_pci\n"
			    "alias virtio:d00000001v* virtio_net\n"
			    "alias vmbus:63516161* hv_netvsc\n"
			    "always brd\n"
			    "always ext4\n");
}

static void net_holds_every_wired_card_and_phys_before_them(void **state)
{
	_cleanup_buffer_ struct buffer b = BUFFER(65536);
	const char *text;

	index_of("net", &b);
	text = buffer_str(&b);
	assert_non_null(strstr(text, "\nmodule r8169 libphy marvell realtek r8169\n"));
	assert_non_null(strstr(text, "\nmodule loop_a loop_b loop_a\n"));
	assert_non_null(strstr(text, "\nalias pci:v000010ECd00008168* r8169\n"));
	/* one that replaces a card's driver is of the same kind */
	assert_non_null(strstr(text, "\nalias pci:new twice\n"));
	assert_null(strstr(text, "wifi"));
	assert_null(strstr(text, "qmi_wwan"));
	assert_null(strstr(text, "mdio:"));
}

static void names_and_sets_can_be_mixed(void **state)
{
	_cleanup_driverset_ struct driverset set = { 0 };
	_cleanup_buffer_ struct buffer b = BUFFER(65536);
	_cleanup_modules_ struct modules *m = NULL;

	index_of("wifi,virtual,built-thing", &b);
	assert_non_null(strstr(buffer_str(&b), "\nmodule wifi wifi\n"));
	assert_non_null(strstr(buffer_str(&b), "\nmodule virtio_net "));
	assert_null(strstr(buffer_str(&b), "r8169"));
	assert_int_equal(modules_open(dir, &m), 0);
	assert_int_equal(driverset_make(m, "virtual,nothing", &set), -ENOENT);
	assert_non_null(strstr(said, "no module 'nothing'"));
}

static void firmware_is_known(void **state)
{
	_cleanup_modules_ struct modules *m = NULL;
	const struct module_info *info;

	assert_int_equal(modules_open(dir, &m), 0);
	assert_int_equal(modules_info(m, modules_find(m, "r8169"), &info), 0);
	assert_string_equal(info->firmware[0], "rtl_nic/x.fw");
	assert_null(info->firmware[1]);
	assert_string_equal(info->softdep_pre[1], "no-such-one");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_an_unpacked_package_and_its_modules_directory),
		cmocka_unit_test(closures_are_in_load_order),
		cmocka_unit_test(missing_modules_are_named),
		cmocka_unit_test(virtual_holds_cards_of_virtual_machines),
		cmocka_unit_test(net_holds_every_wired_card_and_phys_before_them),
		cmocka_unit_test(names_and_sets_can_be_mixed),
		cmocka_unit_test(firmware_is_known),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
