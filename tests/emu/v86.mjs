// SPDX-License-Identifier: BSD-2-Clause
// A PC in v86 whose COM1 is this program's input and output: LIBRARY WASM DISK MEGABYTES.
// Input that begins with a NUL is typed on the PC's keyboard.
import { readFileSync } from "node:fs";

const [library, wasm, disk, megabytes] = process.argv.slice(2);
const { V86 } = await import(library);

function file(path) {
    return { buffer: new Uint8Array(readFileSync(path)).buffer };
}

const pc = new V86({
    wasm_path: wasm,
    memory_size: megabytes * 2 ** 20,
    vga_memory_size: 8 * 2 ** 20,
    bios: file("/usr/share/seabios/bios.bin"),
    vga_bios: file("/usr/share/seabios/vgabios-stdvga.bin"),
    hda: file(disk),
    disable_speaker: true,
    autostart: true,
});
pc.add_listener("serial0-output-byte", (byte) => process.stdout.write(Buffer.from([byte])));
process.stdin.on("data", (data) => {
    if (data[0] === 0) pc.keyboard_send_text(data.toString("latin1", 1));
    else pc.serial_send_bytes(0, data);
});
process.stdin.on("end", () => process.exit());
