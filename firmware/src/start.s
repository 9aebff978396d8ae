# The way in: the header (see image.rs), then .data, .bss and the stack, at every start anew.

    .section .start, "ax"
    .option norelax
    .globl _start
_start:
    j       1f
    .word   0x534e4657              # image::MAGIC
    .word   __image_end             # bytes
    .word   0                       # CRC-32: cargo xtask firmware
    .word   {version}
    .word   {map}
1:
    la      sp, __stack_top
    # .data from its copy in the image.
    la      t0, __data_image
    la      t1, __data_start
    la      t2, __data_end
2:  bgeu    t1, t2, 3f
    lw      t3, 0(t0)
    sw      t3, 0(t1)
    addi    t0, t0, 4
    addi    t1, t1, 4
    j       2b
3:  la      t1, __bss_start
    la      t2, __bss_end
4:  bgeu    t1, t2, 5f
    sw      zero, 0(t1)
    addi    t1, t1, 4
    j       4b
5:  call    {enter}
    ebreak
