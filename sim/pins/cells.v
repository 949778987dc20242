// Models of the vendors' cells at pins, without delays. Clock cells have none: see clocks.py.

// ECP5, FPGA-TN-02035: a delay between a pin and a register.
module DELAYG #(parameter DEL_MODE = "USER_DEFINED", parameter DEL_VALUE = 0) (
    input A, output Z
);
    assign Z = A;
endmodule

// ECP5, FPGA-TN-02035: D0 goes out in the high half of the clock, D1 in the low half.
module ODDRX1F (
    input D0, input D1, input SCLK, input RST, output Q
);
    reg first = 0, second = 0;
    always @(posedge SCLK) begin
        first <= D0;
        second <= D1;
    end
    assign Q = SCLK ? first : second;
endmodule

// ECP5, FPGA-TN-02035: Q0 is D at a rising edge, Q1 at the falling edge behind it.
module IDDRX1F (
    input D, input SCLK, input RST, output reg Q0, output reg Q1
);
    reg rose = 0, fell = 0;
    initial {Q0, Q1} = 0;
    always @(negedge SCLK) fell <= D;
    always @(posedge SCLK) begin
        rose <= D;
        Q0 <= rose;
        Q1 <= fell;
    end
endmodule
