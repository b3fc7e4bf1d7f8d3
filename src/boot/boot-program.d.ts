// `with { type: "file" }`: the path of the file, inside the executable once it is compiled.
declare module "*.efi" {
  const path: string;
  export default path;
}
declare module "*.kpxe" {
  const path: string;
  export default path;
}
declare module "*.lkrn" {
  const path: string;
  export default path;
}
