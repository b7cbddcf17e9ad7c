;; sums += weights * inputs: one matrix-vector product in float32, four numbers an instruction.
;;
;; The matrix stands in blocks of sixteen rows, each block column by column, so that the weights are read in one go
;; from first to last and no sum goes across lanes. All addresses are in bytes; rows are a multiple of sixteen.
(module
  (import "page" "memory" (memory 1))
  (func (export "multiply")
    (param $sums i32) (param $weights i32) (param $inputs i32) (param $rows i32) (param $columns i32)
    (local $sums_end i32) (local $inputs_end i32) (local $input i32)
    (local $x v128) (local $a v128) (local $b v128) (local $c v128) (local $d v128)

    local.get $sums
    local.get $rows
    i32.const 2
    i32.shl
    i32.add
    local.set $sums_end
    local.get $inputs
    local.get $columns
    i32.const 2
    i32.shl
    i32.add
    local.set $inputs_end

    loop  ;; over blocks of sixteen rows
      local.get $sums
      v128.load offset=0
      local.set $a
      local.get $sums
      v128.load offset=16
      local.set $b
      local.get $sums
      v128.load offset=32
      local.set $c
      local.get $sums
      v128.load offset=48
      local.set $d
      local.get $inputs
      local.set $input

      loop  ;; over columns
        local.get $input
        v128.load32_splat offset=0
        local.set $x

        local.get $a
        local.get $weights
        v128.load offset=0
        local.get $x
        f32x4.mul
        f32x4.add
        local.set $a

        local.get $b
        local.get $weights
        v128.load offset=16
        local.get $x
        f32x4.mul
        f32x4.add
        local.set $b

        local.get $c
        local.get $weights
        v128.load offset=32
        local.get $x
        f32x4.mul
        f32x4.add
        local.set $c

        local.get $d
        local.get $weights
        v128.load offset=48
        local.get $x
        f32x4.mul
        f32x4.add
        local.set $d

        local.get $weights
        i32.const 64
        i32.add
        local.set $weights
        local.get $input
        i32.const 4
        i32.add
        local.tee $input
        local.get $inputs_end
        i32.lt_u
        br_if 0
      end

      local.get $sums
      local.get $a
      v128.store offset=0
      local.get $sums
      local.get $b
      v128.store offset=16
      local.get $sums
      local.get $c
      v128.store offset=32
      local.get $sums
      local.get $d
      v128.store offset=48
      local.get $sums
      i32.const 64
      i32.add
      local.tee $sums
      local.get $sums_end
      i32.lt_u
      br_if 0
    end))
