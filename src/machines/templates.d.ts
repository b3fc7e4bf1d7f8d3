declare module "*.ks" {
  const text: string;
  export default text;
}
declare module "*.preseed" {
  const text: string;
  export default text;
}
